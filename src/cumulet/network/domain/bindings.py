"""Port bindings: on which host a port is, and what the hypervisor there finds to plug into."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.service import Network
from cumulet.network.tables import agents
from cumulet.network.tables import networks as network_table

UNBOUND: Final = ("unbound", "binding_failed")
L2_AGENT: Final = "Linux bridge agent"
_AGENT = sa.select(agents.c.configurations).where(
    agents.c.host == sa.bindparam("on"),
    agents.c.agent_type == L2_AGENT,
    agents.c.heartbeat_at >= sa.bindparam("oldest"),
    agents.c.admin_state_up,
)
_PHYSICAL = sa.select(network_table.c.physical_network).where(network_table.c.id == sa.bindparam("sought"))


def bound(
    network: Network, connection: Connection, host: str, vnic_type: str, network_id: str
) -> tuple[str, dict[str, Any]]:
    """(vif_type, vif_details) of a port on `host`: `bridge` where a live agent reaches its network, else
    `binding_failed`."""
    if not host:
        return "unbound", {}
    oldest = network.now() - int(network.conf.agent_down_time) * 1_000_000
    configurations = connection.execute(_AGENT, {"on": host, "oldest": oldest}).scalar()
    physical = connection.execute(_PHYSICAL, {"sought": network_id}).scalar()
    if vnic_type != "normal" or configurations is None or not reaches(configurations, physical):
        return "binding_failed", {}
    return "bridge", {"port_filter": True, "connectivity": "l2", "bridge_name": f"brq{network_id[:11]}"}


def reaches(configurations: str, physical_network: str | None) -> bool:
    """Whether a host with these configurations has a physical network (None: needs none). `*` stands for any."""
    if physical_network is None:
        return True
    known = base.from_json(configurations)
    mapped = {**(known.get("interface_mappings") or {}), **(known.get("bridge_mappings") or {})}
    return physical_network in mapped or "*" in mapped


def reaching_hosts(connection: Connection, physical_network: str | None) -> set[str]:
    """The hosts whose switch has a physical network (None: those with any switch)."""
    switches = sa.select(agents.c.host, agents.c.configurations).where(agents.c.agent_type == L2_AGENT)
    return {one.host for one in connection.execute(switches) if reaches(one.configurations, physical_network)}


def columns(network: Network, connection: Connection, values: Values, network_id: str) -> Values:
    """The binding columns of a new port."""
    host, vnic_type = values.get("binding:host_id") or "", values.get("binding:vnic_type") or "normal"
    vif_type, details = bound(network, connection, host, vnic_type, network_id)
    return {
        "binding_host_id": host,
        "binding_vnic_type": vnic_type,
        "binding_vif_type": vif_type,
        "binding_vif_details": base.to_json(details),
        "binding_profile": base.to_json(values.get("binding:profile") or {}),
    }


def changes(network: Network, connection: Connection, row: Row[Any], values: Values) -> Values:
    """What an update changes of the binding; a port that leaves its host is down until it is plugged in again.

    A binding that failed is tried again by every update that names its host.
    """
    changed: Values = {}
    if "binding:profile" in values:
        changed["binding_profile"] = base.to_json(values["binding:profile"] or {})
    host = values.get("binding:host_id", row.binding_host_id) or ""
    vnic_type = values.get("binding:vnic_type", row.binding_vnic_type)
    same = host == row.binding_host_id and vnic_type == row.binding_vnic_type
    if same and not (row.binding_vif_type == "binding_failed" and "binding:host_id" in values):
        return changed
    return {**changed, **to_host(network, connection, row, host, vnic_type)}


def to_host(network: Network, connection: Connection, row: Row[Any], host: str, vnic_type: str | None = None) -> Values:
    """The columns of a port that goes to a host, or (an empty one) leaves its own."""
    kind = vnic_type or row.binding_vnic_type
    vif_type, details = bound(network, connection, host, kind, row.network_id)
    return {
        "binding_host_id": host,
        "binding_vnic_type": kind,
        "binding_vif_type": vif_type,
        "binding_vif_details": base.to_json(details),
        "status": "DOWN",
    }
