"""A router's way outside: a port on an external network, with or without SNAT."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.network.attributes import Values
from cumulet.network.domain import base, networks, ports, qos_policies
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips, router_ports, routers

OWNER: Final = "network:router_gateway"


def set_gateway(network: Network, connection: Connection, ctx: Context, row: Row[Any], info: Values) -> None:
    """Bring the gateway to `info` ({"network_id", "enable_snat", "external_fixed_ips"}); an empty one takes it away.

    Raises BadRequest for a network that is not external, Conflict while floating IPs need the one there is.
    """
    network_id = info.get("network_id")
    if not network_id:
        if row.gateway_port_id is not None:
            clear(network, connection, row)
        return
    parent = networks.load(connection, network_id, ctx)
    if not parent.external:
        raise bad_request(f"Bad router request: Network {network_id} is not an external network.", "BadRequest")
    qos_policies.require_usable(connection, ctx, info.get("qos_policy_id"))
    wanted = info.get("external_fixed_ips")
    port = ports.load(connection, row.gateway_port_id) if row.gateway_port_id is not None else None
    if port is not None and port.network_id != network_id:
        clear(network, connection, row)
        port = None
    if port is None:
        port = _plug(network, connection, row, network_id, wanted)
    elif wanted:
        ports.update(network, connection, _service(), port, {"fixed_ips": wanted})
        port = ports.load(connection, port.id)
    # What is not said of a gateway is as by default, also when it was another way before.
    _store(network, connection, row.id, port, info.get("enable_snat", True), info.get("qos_policy_id"))


def _service() -> Context:
    return Context(roles=("admin", "service"), project_id="")


def _plug(
    network: Network, connection: Connection, row: Row[Any], network_id: str, wanted: list[Values] | None
) -> Row[Any]:
    values: Values = {"fixed_ips": wanted} if wanted else {}
    port = ports.create_internal(
        network, connection, network_id=network_id, device_id=row.id, device_owner=OWNER, **values
    )
    if not base.from_json(port.fixed_ips):
        raise bad_request(f"Bad router request: No IPs available for external network {network_id}.", "BadRequest")
    connection.execute(sa.insert(router_ports).values(router_id=row.id, port_id=port.id, port_type=OWNER))
    return port


def _store(
    network: Network, connection: Connection, router_id: str, port: Row[Any], snat: bool, qos_policy_id: str | None
) -> None:
    info = {
        "network_id": port.network_id,
        "external_fixed_ips": base.from_json(port.fixed_ips),
        "enable_snat": snat,
    }
    if qos_policy_id is not None:
        info["qos_policy_id"] = qos_policy_id
    base.change(
        network,
        connection,
        routers,
        router_id,
        gateway_port_id=port.id,
        gateway_network_id=port.network_id,
        enable_snat=snat,
        external_gateway_info=base.to_json(info),
        qos_policy_id=qos_policy_id,
    )
    network.touch("router", router_id)


def clear(network: Network, connection: Connection, row: Row[Any]) -> None:
    """Take the gateway away. Raises Conflict while floating IPs go through it."""
    used = sa.select(floating_ips.c.id).where(
        floating_ips.c.router_id == row.id, floating_ips.c.floating_network_id == row.gateway_network_id
    )
    if connection.execute(used.limit(1)).first() is not None:
        raise conflict(
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {row.id}, since a gateway to external network "
            f"{row.gateway_network_id} is required by one or more floating IPs.",
        )
    ports.remove(network, connection, ports.load(connection, row.gateway_port_id))
    network.touch("router", row.id)
    empty: Values = {"gateway_port_id": None, "gateway_network_id": None, "external_gateway_info": None}
    empty |= {"enable_snat": True, "qos_policy_id": None}
    base.change(network, connection, routers, row.id, **empty)
