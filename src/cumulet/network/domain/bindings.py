"""Port bindings: on which host a port is, and what the hypervisor there finds to plug into."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.service import Network
from cumulet.network.tables import agents

L2_AGENT: Final = "Linux bridge agent"
_DETAILS: Final = {"port_filter": True, "connectivity": "l2"}


def bound(network: Network, connection: Connection, host: str, vnic_type: str) -> tuple[str, dict[str, Any]]:
    """(vif_type, vif_details) of a port on `host`: `bridge` where a live agent is, else `binding_failed`."""
    if not host:
        return "unbound", {}
    alive = network.now() - network.conf.agent_down_time * 1_000_000
    query = sa.select(agents.c.id).where(
        agents.c.host == host,
        agents.c.agent_type == L2_AGENT,
        agents.c.heartbeat_at >= alive,
        agents.c.admin_state_up,
    )
    if vnic_type != "normal" or connection.execute(query).first() is None:
        return "binding_failed", {}
    return "bridge", _DETAILS


def columns(network: Network, connection: Connection, values: Values, owner: str) -> Values:
    """The binding columns of a new port."""
    host, vnic_type = values.get("binding:host_id") or "", values.get("binding:vnic_type") or "normal"
    vif_type, details = bound(network, connection, host, vnic_type)
    return {
        "binding_host_id": host,
        "binding_vnic_type": vnic_type,
        "binding_vif_type": vif_type,
        "binding_vif_details": base.to_json(details),
        "binding_profile": base.to_json(values.get("binding:profile") or {}),
    }


def changes(network: Network, connection: Connection, row: Row[Any], values: Values, owner: str) -> Values:
    """What an update changes of the binding; a port that leaves its host is down until it is plugged in again."""
    changed: Values = {}
    if "binding:profile" in values:
        changed["binding_profile"] = base.to_json(values["binding:profile"] or {})
    host = values.get("binding:host_id", row.binding_host_id) or ""
    vnic_type = values.get("binding:vnic_type", row.binding_vnic_type)
    if host == row.binding_host_id and vnic_type == row.binding_vnic_type:
        return changed
    vif_type, details = bound(network, connection, host, vnic_type)
    return {
        **changed,
        "binding_host_id": host,
        "binding_vnic_type": vnic_type,
        "binding_vif_type": vif_type,
        "binding_vif_details": base.to_json(details),
        "status": "DOWN",
    }
