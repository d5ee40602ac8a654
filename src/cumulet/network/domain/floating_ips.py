"""Floating IPs: an outside address that leads to a port's fixed address through a router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, networks, notices, ports, qos_policies, quotas
from cumulet.network.domain.source import Source, Thing
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips, ip_allocations, port_forwardings, router_ports, routers
from cumulet.network.tables import ports as port_table

OWNER: Final = "network:floatingip"
_PLAIN: Final = (
    "floating_ip_address",
    "floating_network_id",
    "router_id",
    "port_id",
    "fixed_ip_address",
    "status",
    "qos_policy_id",
    "dns_name",
    "dns_domain",
)
_PORT_DETAILS: Final = (
    "name",
    "network_id",
    "mac_address",
    "admin_state_up",
    "status",
    "device_id",
    "device_owner",
)


def missing(identifier: str) -> NotFound:
    return NotFound(f"Floating IP {identifier} could not be found", code="FloatingIPNotFound")


SOURCE = Source(
    floating_ips,
    missing,
    (*base.STANDARD, *_PLAIN, "port_forwardings"),
    extra=("port_details",),
    visible=base.own(floating_ips),
    filters=base.tag_filters(floating_ips),
)


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """What port a floating IP leads to (extension fip-port-details)."""
    columns = [port_table.c[key] for key in _PORT_DETAILS]
    details: dict[str, Row[Any]] = {}
    for ids in base.chunks({thing.port_id for thing in things if thing.port_id is not None}):
        query = sa.select(port_table.c.id, *columns).where(port_table.c.id.in_(ids))
        details |= {row.id: row for row in connection.execute(query)}
    for thing in things:
        row = details.get(thing.port_id)
        thing.port_details = None if row is None else {key: getattr(row, key) for key in _PORT_DETAILS}


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for a network that is not external, NotFound without a router between, Conflict when taken."""
    quotas.require(network, connection, values["project_id"], "floatingip")
    network_id = values["floating_network_id"]
    parent = networks.load(connection, network_id, ctx)
    if not parent.external:
        raise bad_request(
            f"Bad floatingip request: Network {network_id} is not a valid external network.", "BadRequest"
        )
    qos_policies.require_usable(connection, ctx, values.get("qos_policy_id"))
    floating_id = uuid_id()
    wish: Values = {}
    if values.get("floating_ip_address"):
        wish["ip_address"] = values["floating_ip_address"]
    if values.get("subnet_id"):
        wish["subnet_id"] = values["subnet_id"]
    fixed: Values = {"fixed_ips": [wish]} if wish else {}
    port = ports.create_internal(
        network, connection, network_id=network_id, device_id=floating_id, device_owner=OWNER, status="N/A", **fixed
    )
    address = next(
        (entry["ip_address"] for entry in base.from_json(port.fixed_ips) if ":" not in entry["ip_address"]), None
    )
    if address is None:
        raise bad_request(
            f"Bad floatingip request: Network {network_id} does not contain any IPv4 subnet.", "BadRequest"
        )
    row = base.new_row(
        network,
        {
            "id": floating_id,
            "project_id": values["project_id"],
            "description": values["description"],
            "floating_ip_address": address,
            "floating_network_id": network_id,
            "floating_port_id": port.id,
            "status": "DOWN",
            "qos_policy_id": values.get("qos_policy_id"),
            "dns_name": values.get("dns_name", ""),
            "dns_domain": values.get("dns_domain", ""),
            "port_forwardings": "[]",
        },
    )
    row |= _association(connection, ctx, network_id, values, floating_id)
    base.insert(connection, floating_ips, row)
    _tell(network, connection, row["router_id"], row["port_id"])
    return floating_id


def _tell(network: Network, connection: Connection, router_id: str | None, port_id: str | None) -> None:
    """The router's hosts have work, and a server has an address more or less."""
    network.touch("router", router_id or "")
    port = ports.SOURCE.find(connection, port_id) if port_id is not None else None
    if port is not None:
        notices.changed(network, connection, port)


def _association(connection: Connection, ctx: Context, network_id: str, values: Values, floating_id: str) -> Values:
    """The columns that say where the floating IP leads."""
    port_id = values.get("port_id")
    if not port_id:
        if values.get("fixed_ip_address"):
            raise bad_request(
                "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", "BadRequest"
            )
        return {"port_id": None, "fixed_ip_address": None, "router_id": None}
    port = ports.load(connection, port_id, ctx)
    fixed = _fixed_address(port, values.get("fixed_ip_address"))
    _require_free(connection, port, fixed["ip_address"], floating_id)
    router_id = router_between(connection, fixed["subnet_id"], network_id)
    if router_id is None:
        raise NotFound(
            f"External network {network_id} is not reachable from subnet {fixed['subnet_id']}.  Therefore, cannot "
            f"associate Port {port.id} with a Floating IP.",
            code="ExternalGatewayForFloatingIPNotFound",
        )
    return {"port_id": port.id, "fixed_ip_address": fixed["ip_address"], "router_id": router_id}


def _fixed_address(port: Row[Any], wanted: str | None) -> dict[str, str]:
    entries = [entry for entry in base.from_json(port.fixed_ips) if ":" not in entry["ip_address"]]
    if wanted is not None:
        for entry in entries:
            if entry["ip_address"] == wanted:
                return dict(entry)
        raise bad_request(f"Bad floatingip request: Port {port.id} does not have fixed ip {wanted}.", "BadRequest")
    if not entries:
        raise bad_request(
            f"Bad floatingip request: Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses.",
            "BadRequest",
        )
    if len(entries) > 1:
        raise bad_request(
            f"Bad floatingip request: Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 "
            "address when assigning a floating IP.",
            "BadRequest",
        )
    return dict(entries[0])


def _require_free(connection: Connection, port: Row[Any], address: str, floating_id: str) -> None:
    other = sa.select(floating_ips.c.id, floating_ips.c.floating_ip_address).where(
        floating_ips.c.port_id == port.id,
        floating_ips.c.fixed_ip_address == address,
        floating_ips.c.id != floating_id,
    )
    found = connection.execute(other).first()
    if found is not None:
        raise conflict(
            "FloatingIPPortAlreadyAssociated",
            f"Cannot associate floating IP {found.floating_ip_address} ({found.id}) with port {port.id} using fixed IP "
            f"{address}, as that fixed IP already has a floating IP on external network.",
        )


def router_between(connection: Connection, subnet_id: str, network_id: str) -> str | None:
    query = (
        sa.select(routers.c.id)
        .join(router_ports, router_ports.c.router_id == routers.c.id)
        .join(ip_allocations, ip_allocations.c.port_id == router_ports.c.port_id)
        .where(ip_allocations.c.subnet_id == subnet_id, routers.c.gateway_network_id == network_id)
        .order_by(routers.c.created_at)
        .limit(1)
    )
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Associate, re-associate or (port_id null or absent) disassociate, as the original does."""
    changes: Values = {key: values[key] for key in ("description", "qos_policy_id") if key in values}
    qos_policies.require_usable(connection, ctx, changes.get("qos_policy_id"))
    if "port_id" in values or "fixed_ip_address" in values:
        _require_no_forwardings(connection, row, values)
        given = dict(values)
        if "port_id" not in values and row.port_id is not None:
            given["port_id"] = row.port_id
        changes |= _association(connection, ctx, row.floating_network_id, given, row.id)
        changes["status"] = row.status if changes["port_id"] == row.port_id else "DOWN"
    elif set(values) <= {"description", "qos_policy_id"} and values:
        pass
    else:
        changes |= {
            "port_id": None,
            "fixed_ip_address": None,
            "router_id": None,
            "status": "DOWN",
        }
    base.change(network, connection, floating_ips, row.id, **changes)
    _tell(network, connection, row.router_id, row.port_id)
    _tell(network, connection, changes.get("router_id"), changes.get("port_id"))


def _require_no_forwardings(connection: Connection, row: Row[Any], values: Values) -> None:
    used = sa.select(port_forwardings.c.id).where(port_forwardings.c.floatingip_id == row.id).limit(1)
    if values.get("port_id") and connection.execute(used).first() is not None:
        raise conflict(
            "FipInUseByPortForwarding",
            f"Floating IP {row.id} in use by Port Forwarding resources.",
        )


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """The address goes back, forwardings end."""
    connection.execute(sa.delete(port_forwardings).where(port_forwardings.c.floatingip_id == row.id))
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(floating_ips).where(floating_ips.c.id == row.id))
    _tell(network, connection, row.router_id, row.port_id)
    port = ports.SOURCE.find(connection, row.floating_port_id)
    if port is not None:
        ports.remove(network, connection, port)
