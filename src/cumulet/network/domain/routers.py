"""Routers: their gateway to the outside, their interfaces, their static routes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, flavors, gateways, networks, ports, quotas, router_hosts, subnets
from cumulet.network.domain.source import Source
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips, ip_allocations, router_ports, routers
from cumulet.network.tables import ports as port_table
from cumulet.network.tables import subnets as subnet_table

INTERFACE: Final = "network:router_interface"
_PLAIN: Final = ("name", "description", "admin_state_up", "distributed", "ha", "flavor_id")


def missing(identifier: str) -> NotFound:
    return NotFound(f"Router {identifier} could not be found", code="RouterNotFound")


SOURCE = Source(
    routers,
    missing,
    (
        *base.NAMED,
        "admin_state_up",
        "status",
        "distributed",
        "ha",
        "flavor_id",
        "external_gateway_info",
        "routes",
        "availability_zone_hints",
        "availability_zones",
    ),
    visible=base.own(routers),
    filters=base.tag_filters(routers),
)
load = SOURCE.load


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises Conflict for the quota, and what `gateways.set_gateway` raises."""
    quotas.require(network, connection, values["project_id"], "router")
    flavors.require_for_router(connection, values.get("flavor_id"))
    row = base.new_row(
        network,
        {
            "id": uuid_id(),
            "project_id": values["project_id"],
            "status": "ACTIVE",
            "routes": "[]",
            "availability_zones": "[]",
            "availability_zone_hints": base.to_json(values.get("availability_zone_hints") or []),
            "enable_snat": True,
            "revision_number": 1,
            **{key: values[key] for key in _PLAIN if values.get(key) is not None},
        },
    )
    row.setdefault("distributed", network.conf.router_distributed)
    row.setdefault("ha", network.conf.l3_ha)
    base.insert(connection, routers, row)
    if values.get("external_gateway_info"):
        gateways.set_gateway(network, connection, ctx, load(connection, row["id"]), values["external_gateway_info"])
        router_hosts.refresh(network, connection, row["id"])
    return str(row["id"])


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest for routes that lead nowhere or kinds that cannot change while the router is up."""
    changes: Values = {key: values[key] for key in _PLAIN if key in values and values[key] is not None}
    for kind in ("distributed", "ha"):
        down = row.admin_state_up is False or values.get("admin_state_up") is False
        if changes.get(kind, getattr(row, kind)) != getattr(row, kind) and not down:
            raise bad_request(
                f"Bad router request: Cannot change the '{kind}' attribute of an active router. Please set router "
                "admin_state_up to False prior to upgrade.",
                "BadRequest",
            )
    if "external_gateway_info" in values:
        gateways.set_gateway(network, connection, ctx, row, values["external_gateway_info"] or {})
        router_hosts.refresh(network, connection, row.id)
        row = load(connection, row.id)
    if "routes" in values:
        routes = values["routes"] or []
        check_routes(network, connection, row.id, routes)
        changes["routes"] = base.to_json(routes)
    base.change(network, connection, routers, row.id, **changes)
    if changes.get("ha", row.ha) != row.ha:
        router_hosts.refresh(network, connection, row.id)
    network.touch("router", row.id)


def check_routes(network: Network, connection: Connection, router_id: str, routes: list[Values]) -> None:
    """Each next hop must be on a network the router is on, and not the router itself. Raises BadRequest."""
    if len(routes) > network.conf.max_routes:
        raise bad_request(
            f"Unable to complete operation for {router_id}. The number of routes exceeds the maximum "
            f"{network.conf.max_routes}.",
            "RoutesExhausted",
        )
    if not routes:
        return
    rows = connection.execute(
        sa.select(subnet_table.c.cidr, ip_allocations.c.ip_address)
        .join(ip_allocations, ip_allocations.c.subnet_id == subnet_table.c.id)
        .join(port_table, port_table.c.id == ip_allocations.c.port_id)
        .where(port_table.c.device_id == router_id, port_table.c.device_owner.like("network:router%"))
    ).all()
    prefixes = {ip_network(row.cidr) for row in rows}
    own = {row.ip_address for row in rows}
    for route in routes:
        hop = ip_address(route["nexthop"])
        reason = None
        if not any(hop.version == prefix.version and hop in prefix for prefix in prefixes):
            reason = "the nexthop is not connected with router"
        elif str(hop) in own:
            reason = "the nexthop is used by router"
        if reason is not None:
            raise bad_request(f"Invalid format for routes: {[route]}, {reason}", "InvalidRoutes")


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Takes the gateway's port along. Raises Conflict while interfaces or floating IPs need it."""
    attached = sa.select(router_ports.c.port_id).where(
        router_ports.c.router_id == row.id, router_ports.c.port_id != sa.func.coalesce(row.gateway_port_id, "")
    )
    found = list(connection.execute(attached.order_by(router_ports.c.port_id)).scalars())
    if found:
        raise conflict("RouterInUse", f"Router {row.id} has ports still attached: {', '.join(found)}")
    if row.gateway_port_id is not None:
        gateways.clear(network, connection, row)
    router_hosts.forget(network, connection, row)
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(routers).where(routers.c.id == row.id))
    network.touch("router", row.id)


def add_interface(network: Network, connection: Connection, ctx: Context, row: Row[Any], body: Values) -> Values:
    """Attach a subnet (its gateway address becomes the router's) or a port. Returns what the action shows."""
    subnet_id, port_id = body.get("subnet_id"), body.get("port_id")
    if bool(subnet_id) == bool(port_id):
        words = (
            "Cannot specify both subnet-id and port-id"
            if subnet_id
            else "Either subnet_id or port_id must be specified"
        )
        raise bad_request(f"Bad router request: {words}.", "BadRequest")
    if port_id:
        port, ids = _attach_port(network, connection, ctx, row, port_id)
    else:
        port, ids = _attach_subnet(network, connection, ctx, row, str(subnet_id))
    base.change(network, connection, routers, row.id)
    router_hosts.refresh(network, connection, row.id)
    network.touch("router", row.id)
    return _shown(row, port, ids)


def _attach_port(
    network: Network, connection: Connection, ctx: Context, row: Row[Any], port_id: str
) -> tuple[Row[Any], list[str]]:
    port = ports.load(connection, port_id, ctx, lock=True)
    if not base.sees_everything(ctx) and port.project_id != ctx.project_id:
        raise ports.missing(port_id)
    if port.device_id and port.device_id != row.id:
        raise conflict(
            "PortInUse",
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an "
            f"attached device {port.device_id}.",
        )
    if port.device_id == row.id:
        raise bad_request("Bad router request: The port is already attached to this router.", "BadRequest")
    fixed = base.from_json(port.fixed_ips)
    if not fixed:
        raise bad_request("Bad router request: Router port must have at least one fixed IP.", "BadRequest")
    found = [subnets.load(connection, entry["subnet_id"]) for entry in fixed]
    if sum(subnet.ip_version == 4 for subnet in found) > 1:
        raise bad_request("Bad router request: Cannot have multiple IPv4 subnets on router port.", "BadRequest")
    for subnet in found:
        _require_no_overlap(connection, row.id, subnet)
    groups = ports.port_security_groups
    connection.execute(sa.delete(groups).where(groups.c.port_id == port.id))
    base.change(
        network,
        connection,
        port_table,
        port.id,
        device_id=row.id,
        device_owner=INTERFACE,
        security_groups="[]",
        port_security_enabled=False,
    )
    _link(connection, row.id, port.id, INTERFACE)
    ports.touch(network, port)
    return ports.load(connection, port.id), [subnet.id for subnet in found]


def _attach_subnet(
    network: Network, connection: Connection, ctx: Context, row: Row[Any], subnet_id: str
) -> tuple[Row[Any], list[str]]:
    subnet = subnets.load(connection, subnet_id, ctx)
    parent = networks.load(connection, subnet.network_id, ctx)
    if not base.sees_everything(ctx) and parent.project_id != ctx.project_id and not parent.shared:
        raise subnets.missing(subnet_id)
    if subnet.gateway_ip is None:
        raise bad_request("Bad router request: Subnet for router interface must have a gateway IP.", "BadRequest")
    if subnet.ip_version == 6 and subnet.ipv6_ra_mode is None and subnet.ipv6_address_mode is not None:
        raise bad_request(
            f"Bad router request: IPv6 subnet {subnet.id} configured to receive RAs from an external router cannot be "
            "added to Neutron Router.",
            "BadRequest",
        )
    _require_no_overlap(connection, row.id, subnet)
    port = ports.create_internal(
        network,
        connection,
        project_id=row.project_id,
        network_id=subnet.network_id,
        device_id=row.id,
        device_owner=INTERFACE,
        fixed_ips=[{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}],
    )
    _link(connection, row.id, port.id, INTERFACE)
    return port, [subnet.id]


def _link(connection: Connection, router_id: str, port_id: str, kind: str) -> None:
    connection.execute(sa.insert(router_ports).values(router_id=router_id, port_id=port_id, port_type=kind))


def _require_no_overlap(connection: Connection, router_id: str, subnet: Row[Any]) -> None:
    """A router could not tell two overlapping prefixes apart."""
    rows = connection.execute(
        sa.select(subnet_table.c.id, subnet_table.c.cidr, port_table.c.device_owner)
        .join(ip_allocations, ip_allocations.c.subnet_id == subnet_table.c.id)
        .join(port_table, port_table.c.id == ip_allocations.c.port_id)
        .join(router_ports, router_ports.c.port_id == port_table.c.id)
        .where(router_ports.c.router_id == router_id)
    ).all()
    prefix = ip_network(subnet.cidr)
    for other in rows:
        if other.id == subnet.id and other.device_owner == INTERFACE:
            raise bad_request(f"Bad router request: Router already has a port on subnet {subnet.id}.", "BadRequest")
        theirs = ip_network(other.cidr)
        if theirs.version == prefix.version and theirs.overlaps(prefix):
            raise bad_request(
                f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of "
                f"subnet {other.id}.",
                "BadRequest",
            )


def _shown(row: Row[Any], port: Row[Any], subnet_ids: list[str]) -> Values:
    return {
        "id": row.id,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnet_ids[0],
        "subnet_ids": subnet_ids,
    }


def remove_interface(network: Network, connection: Connection, ctx: Context, row: Row[Any], body: Values) -> Values:
    """Detach a subnet or a port; the port goes. Raises NotFound, BadRequest or Conflict."""
    subnet_id, port_id = body.get("subnet_id"), body.get("port_id")
    if not subnet_id and not port_id:
        raise bad_request("Bad router request: Either subnet_id or port_id must be specified.", "BadRequest")
    query = (
        sa.select(port_table)
        .join(router_ports, router_ports.c.port_id == port_table.c.id)
        .where(router_ports.c.router_id == row.id, port_table.c.device_owner == INTERFACE)
    )
    if port_id:
        query = query.where(port_table.c.id == port_id)
    candidates = connection.execute(query).all()
    if subnet_id:
        candidates = [port for port in candidates if subnet_id in _subnets_of(port)]
    if not candidates:
        if port_id:
            raise NotFound(
                f"Router {row.id} does not have an interface with id {port_id}", code="RouterInterfaceNotFound"
            )
        subnets.load(connection, str(subnet_id))
        raise NotFound(
            f"Router {row.id} has no interface on subnet {subnet_id}", code="RouterInterfaceNotFoundForSubnet"
        )
    port = candidates[0]
    ids = _subnets_of(port)
    for each in ids:
        _require_no_floating(connection, row.id, each)
        _require_no_route(connection, row, subnets.load(connection, each))
    ports.remove(network, connection, port)
    base.change(network, connection, routers, row.id)
    network.touch("router", row.id)
    return _shown(row, port, ids)


def _subnets_of(port: Row[Any]) -> list[str]:
    return [entry["subnet_id"] for entry in base.from_json(port.fixed_ips)]


def _require_no_floating(connection: Connection, router_id: str, subnet_id: str) -> None:
    used = (
        sa.select(floating_ips.c.id)
        .join(
            ip_allocations,
            sa.and_(
                ip_allocations.c.port_id == floating_ips.c.port_id,
                ip_allocations.c.ip_address == floating_ips.c.fixed_ip_address,
            ),
        )
        .where(floating_ips.c.router_id == router_id, ip_allocations.c.subnet_id == subnet_id)
        .limit(1)
    )
    if connection.execute(used).first() is not None:
        raise conflict(
            "RouterInterfaceInUseByFloatingIP",
            f"Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by "
            "one or more floating IPs.",
        )


def _require_no_route(connection: Connection, row: Row[Any], subnet: Row[Any]) -> None:
    prefix = ip_network(subnet.cidr)
    for route in base.from_json(row.routes):
        hop = ip_address(route["nexthop"])
        if hop.version == prefix.version and hop in prefix:
            raise conflict(
                "RouterInterfaceInUseByRoute",
                f"Router interface for subnet {subnet.id} on router {row.id} cannot be deleted, as it is required by "
                "one or more routes.",
            )


def change_routes(
    network: Network, connection: Connection, row: Row[Any], *, add: list[Values], remove: list[Values]
) -> None:
    """extraroute-atomic: add and remove some routes without touching others."""
    routes = [route for route in base.from_json(row.routes) if route not in remove]
    routes += [route for route in add if route not in routes]
    check_routes(network, connection, row.id, routes)
    base.change(network, connection, routers, row.id, routes=base.to_json(routes))
    network.touch("router", row.id)
