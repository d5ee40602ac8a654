"""Subnets: prefixes of a network with their gateway, pools, routes and name servers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, dhcp, ipam, network_segments, networks, ports, quotas, subnet_pools
from cumulet.network.domain.listing import truth
from cumulet.network.domain.source import Condition, Source, Thing
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import ip_allocations, router_ports, subnets
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import ports as port_table

_MODES: Final = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
_OWNERS: Final = ("network:", "neutron:", "compute:", "baremetal:", "manila:")
"""What the device owners that a service type may name begin with."""
_JSON: Final = ("allocation_pools", "dns_nameservers", "host_routes", "service_types")


def missing(identifier: str) -> NotFound:
    return NotFound(f"Subnet {identifier} could not be found.", code="SubnetNotFound")


def _of_networks(condition: Condition, values: list[str]) -> Condition:
    """Subnets by whether their network meets a condition."""
    inside = subnets.c.network_id.in_(sa.select(network_table.c.id).where(condition))
    wanted = {truth(value) for value in values}
    return inside if wanted == {True} else sa.not_(inside) if wanted == {False} else sa.true()


SOURCE = Source(
    subnets,
    missing,
    (
        *base.NAMED,
        "network_id",
        "segment_id",
        "ip_version",
        "subnetpool_id",
        "enable_dhcp",
        "ipv6_ra_mode",
        "ipv6_address_mode",
        "gateway_ip",
        "cidr",
        "dns_publish_fixed_ip",
        *_JSON,
    ),
    extra=("router:external",),
    visible=sa.or_(base.own(subnets), subnets.c.network_id.in_(sa.select(network_table.c.id).where(networks.VISIBLE))),
    filters={
        **base.tag_filters(subnets),
        "shared": lambda values: _of_networks(network_table.c.shared, values),
        "router:external": lambda values: _of_networks(network_table.c.external, values),
    },
)
"""Visible are a project's own subnets, and those of the networks that it sees."""
load = SOURCE.load


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """Whether the network is external is said of its subnets too (extension subnet-external-network)."""
    external = set(connection.execute(sa.select(network_table.c.id).where(network_table.c.external)).scalars())
    for thing in things:
        thing.router_external = thing.network_id in external


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for what does not fit together or overlaps, Conflict for the quota."""
    parent = networks.load(connection, values["network_id"], ctx, lock=True)
    if not base.sees_everything(ctx) and parent.project_id != ctx.project_id:
        raise networks.missing(values["network_id"])
    if values.get("segment_id"):
        network_segments.require_of_network(connection, values["segment_id"], parent.id)
    quotas.require(network, connection, values["project_id"], "subnet")
    subnet_id = uuid_id()
    version = _version(connection, ctx, values)
    _check_service_types(values["service_types"])
    cidr, pool_id = _prefix(network, connection, ctx, values, version, subnet_id)
    prefix = ip_network(cidr)
    _check_modes(values, version, prefix)
    _require_fitting(connection, parent.id, cidr, pool_id)
    gateway = _gateway(values, prefix)
    pools = _pools(values, prefix, gateway)
    _check_names(network, values, version)
    row = base.new_row(
        network,
        {
            "id": subnet_id,
            "project_id": values["project_id"],
            "name": values["name"],
            "description": values["description"],
            "network_id": parent.id,
            "segment_id": values.get("segment_id"),
            "subnetpool_id": pool_id,
            "ip_version": version,
            "cidr": cidr,
            "gateway_ip": gateway,
            "enable_dhcp": values["enable_dhcp"],
            "ipv6_ra_mode": values.get("ipv6_ra_mode"),
            "ipv6_address_mode": values.get("ipv6_address_mode"),
            "dns_publish_fixed_ip": values.get("dns_publish_fixed_ip", False),
            "allocation_pools": base.to_json(pools),
            "dns_nameservers": base.to_json(values["dns_nameservers"]),
            "host_routes": base.to_json(values["host_routes"]),
            "service_types": base.to_json(values["service_types"]),
        },
    )
    base.insert(connection, subnets, row)
    refresh_network(network, connection, parent.id)
    _give_automatic_addresses(network, connection, load(connection, subnet_id))
    if values["enable_dhcp"]:
        dhcp.refresh(network, connection, parent.id)
    network.touch("network", parent.id)
    return subnet_id


def _version(connection: Connection, ctx: Context, values: Values) -> int:
    version = values.get("ip_version")
    if version is not None:
        return int(version)
    if values.get("subnetpool_id") and values["subnetpool_id"] != "prefix_delegation":
        return int(subnet_pools.load(connection, values["subnetpool_id"], ctx).ip_version)
    raise bad_request("Failed to parse request. Required attribute 'ip_version' not specified")


def _prefix(
    network: Network, connection: Connection, ctx: Context, values: Values, version: int, subnet_id: str
) -> tuple[str, str | None]:
    """The subnet's prefix: as given, or cut from a subnet pool."""
    pool_id, cidr = values.get("subnetpool_id"), values.get("cidr")
    if pool_id is None and values.get("use_default_subnetpool"):
        pool_id = subnet_pools.default_of(connection, ctx, version)
    if pool_id is not None:
        return subnet_pools.cut(network, connection, ctx, pool_id, values, version), pool_id
    if cidr is None:
        raise bad_request("Bad subnets request: a subnetpool must be specified in the absence of a cidr.", "BadRequest")
    if values.get("prefixlen") is not None:
        raise bad_request(
            "Invalid input for operation: cidr and prefixlen must not be supplied together.", "InvalidInput"
        )
    if ip_network(cidr).version != version:
        raise invalid_input(f"cidr '{cidr}' does not match the ip_version '{version}'")
    return cidr, None


def _check_modes(values: Values, version: int, prefix: Any) -> None:
    if values["enable_dhcp"]:
        if (version == 4 and prefix.prefixlen > 30) or (version == 6 and prefix.prefixlen > 126):
            raise invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled")
        if prefix.version == 4 and prefix.network_address == IPv4Address(0):
            raise invalid_input("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")
        if prefix.is_multicast:
            raise invalid_input("Multicast IP subnet is not supported if enable_dhcp is True")
        if prefix.is_loopback:
            raise invalid_input("Loopback IP subnet is not supported if enable_dhcp is True")
    ra, mode = values.get("ipv6_ra_mode"), values.get("ipv6_address_mode")
    if ra is None and mode is None:
        return
    if version == 4:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is set to 4")
    if not values["enable_dhcp"]:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra is not None and mode is not None and ra != mode:
        raise invalid_input(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{mode}' is not valid. If both attributes are "
            "set, they must be the same value"
        )
    if prefix.prefixlen != 64 and {"slaac", "dhcpv6-stateless"} & {ra, mode}:
        raise invalid_input(
            f"Invalid CIDR {prefix} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires "
            "the prefix to be /64"
        )


def _check_service_types(types: list[str]) -> None:
    for kind in types:
        if not kind.startswith(_OWNERS):
            raise bad_request(
                f"Subnet service type {kind} does not correspond to a valid device owner.", "InvalidSubnetServiceType"
            )


def _require_fitting(connection: Connection, network_id: str, cidr: str, pool_id: str | None) -> None:
    """A network's subnets do not overlap, and those of one version come from the same pool. Raises BadRequest."""
    wanted = ip_network(cidr)
    columns = (subnets.c.cidr, subnets.c.subnetpool_id)
    for row in connection.execute(sa.select(*columns).where(subnets.c.network_id == network_id)).all():
        other = ip_network(row.cidr)
        if other.version != wanted.version:
            continue
        if row.subnetpool_id != pool_id:
            raise bad_request(
                "Subnets hosted on the same network must be allocated from the same subnet pool.",
                "NetworkSubnetPoolAffinityError",
            )
        if other.overlaps(wanted):
            raise invalid_input(
                f"Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
            )


def _gateway(values: Values, prefix: Any) -> str | None:
    """The one given; None when refused (`"gateway_ip": null`); else the prefix's first address."""
    if "gateway_ip" in values:
        gateway = values["gateway_ip"]
        if gateway is not None:
            _check_gateway(gateway, prefix)
        return gateway
    first = prefix.network_address if prefix.prefixlen >= prefix.max_prefixlen else prefix.network_address + 1
    return str(first)


def _check_gateway(gateway: str, prefix: Any) -> None:
    address = ip_address(gateway)
    if address.version != prefix.version:
        raise invalid_input(f"gateway_ip '{gateway}' does not match the ip_version '{prefix.version}'")
    if address in (prefix.network_address, prefix.broadcast_address) and prefix.version == 4 and prefix.prefixlen < 31:
        raise invalid_input("Gateway is not valid on subnet")


def _pools(values: Values, prefix: Any, gateway: str | None) -> list[dict[str, str]]:
    given = values.get("allocation_pools")
    if given is None:
        return default_pools(prefix, gateway)
    return check_pools(given, prefix, gateway)


def default_pools(prefix: Any, gateway: str | None) -> list[dict[str, str]]:
    """Everything that is not the network, the broadcast or the gateway address, as ranges."""
    low, high = int(prefix.network_address), int(prefix.broadcast_address)
    if prefix.version == 4 and prefix.prefixlen < 31:
        low, high = low + 1, high - 1
    elif prefix.version == 6 and prefix.prefixlen < 127:
        low += 1
    make = IPv4Address if prefix.version == 4 else IPv6Address
    hole = int(ip_address(gateway)) if gateway and ip_address(gateway) in prefix else None
    ranges = [(low, high)] if hole is None else [(low, hole - 1), (hole + 1, high)]
    return [{"start": str(make(a)), "end": str(make(b))} for a, b in ranges if a <= b and a >= low and b <= high]


def check_pools(given: list[dict[str, str]], prefix: Any, gateway: str | None) -> list[dict[str, str]]:
    """Ranges within the prefix that do not overlap and leave the gateway out. Raises BadRequest or Conflict."""
    checked = []
    for pool in given:
        try:
            start, end = ip_address(pool["start"]), ip_address(pool["end"])
            list(summarize_address_range(start, end))
        except (KeyError, ValueError, TypeError):
            raise bad_request(f"The allocation pool {pool} is not valid.", "InvalidAllocationPool") from None
        if start.version != prefix.version or start not in prefix or end not in prefix or _edge(prefix, start, end):
            raise bad_request(
                f"The allocation pool {start}-{end} spans beyond the subnet cidr {prefix}.", "OutOfBoundsAllocationPool"
            )
        checked.append((int(start), int(end), str(start), str(end)))
    checked.sort()
    for (_, end_number, *_), following in pairwise(checked):
        if end_number >= following[0]:
            raise conflict("OverlappingAllocationPools", f"Found overlapping allocation pools for subnet {prefix}.")
    if gateway is not None:
        number = int(ip_address(gateway))
        for low, high, start_text, end_text in checked:
            if low <= number <= high:
                raise conflict(
                    "GatewayConflictWithAllocationPools",
                    f"Gateway ip {gateway} conflicts with allocation pool {start_text}-{end_text}.",
                )
    return [{"start": start, "end": end} for _, _, start, end in checked]


def _edge(prefix: Any, start: Any, end: Any) -> bool:
    if prefix.version == 4 and prefix.prefixlen < 31:
        return bool(start == prefix.network_address or end == prefix.broadcast_address)
    return False


def _check_names(network: Network, values: Values, version: int) -> None:
    servers, routes = values.get("dns_nameservers") or [], values.get("host_routes") or []
    if len(servers) > network.conf.max_dns_nameservers:
        raise bad_request(
            "Unable to complete operation for subnet. The number of DNS nameservers exceeds the limit "
            f"{network.conf.max_dns_nameservers}.",
            "DNSNameServersExhausted",
        )
    if len(routes) > network.conf.max_subnet_host_routes:
        raise bad_request(
            "Unable to complete operation for subnet. The number of host routes exceeds the limit "
            f"{network.conf.max_subnet_host_routes}.",
            "HostRoutesExhausted",
        )
    for route in routes:
        for part in (ip_network(route["destination"]), ip_address(route["nexthop"])):
            if part.version != version:
                raise invalid_input(f"host route '{route}' does not match the ip_version '{version}'")


def refresh_network(network: Network, connection: Connection, network_id: str) -> None:
    """Bring what the network shows of its subnets (ids, address scopes) up to date."""
    rows = connection.execute(
        sa.select(subnets.c.id, subnets.c.ip_version, subnets.c.subnetpool_id)
        .where(subnets.c.network_id == network_id)
        .order_by(subnets.c.created_at, subnets.c.id)
    ).all()
    scopes = subnet_pools.scopes_of(connection, [row.subnetpool_id for row in rows if row.subnetpool_id])
    by_version = {row.ip_version: scopes.get(row.subnetpool_id) for row in rows}
    connection.execute(
        sa.update(network_table)
        .where(network_table.c.id == network_id)
        .values(
            subnets=base.to_json([row.id for row in rows]),
            ipv4_address_scope=by_version.get(4),
            ipv6_address_scope=by_version.get(6),
            revision_number=network_table.c.revision_number + 1,
        )
    )


def _give_automatic_addresses(network: Network, connection: Connection, subnet: Row[Any]) -> None:
    """Guests that are on the network already configure the new prefix themselves: their ports must know it."""
    if not ipam.is_automatic(subnet):
        return
    guests = sa.select(port_table).where(
        port_table.c.network_id == subnet.network_id, sa.not_(port_table.c.device_owner.like("network:router%"))
    )
    given = [(port, ipam.eui64(subnet.cidr, port.mac_address)) for port in connection.execute(guests).all()]
    ipam.take_many(connection, subnet, [(address, port.id) for port, address in given])
    ports.store_addresses(
        network,
        connection,
        [
            (port, [*base.from_json(port.fixed_ips), {"subnet_id": subnet.id, "ip_address": address}])
            for port, address in given
        ],
    )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest for what does not fit, Conflict for a gateway in use or inside a pool."""
    prefix = ip_network(row.cidr)
    changes: Values = {key: values[key] for key in ("name", "description", "enable_dhcp") if key in values}
    if "dns_publish_fixed_ip" in values:
        changes["dns_publish_fixed_ip"] = values["dns_publish_fixed_ip"]
    merged = {
        "enable_dhcp": row.enable_dhcp,
        "ipv6_ra_mode": row.ipv6_ra_mode,
        "ipv6_address_mode": row.ipv6_address_mode,
        **values,
    }
    _check_modes({**merged, "enable_dhcp": merged["enable_dhcp"]}, row.ip_version, prefix)
    gateway = values.get("gateway_ip", row.gateway_ip)
    if "gateway_ip" in values and values["gateway_ip"] != row.gateway_ip:
        if row.gateway_ip is not None:
            _require_gateway_unused(connection, row)
        if gateway is not None:
            _check_gateway(gateway, prefix)
        changes["gateway_ip"] = gateway
    pools = values.get("allocation_pools", base.from_json(row.allocation_pools))
    if "allocation_pools" in values or "gateway_ip" in changes:
        changes["allocation_pools"] = base.to_json(check_pools(pools, prefix, gateway))
        changes["allocation_cursor"] = None
    _check_names(network, values, row.ip_version)
    _check_service_types(values.get("service_types", []))
    for key in ("dns_nameservers", "host_routes", "service_types"):
        if key in values:
            changes[key] = base.to_json(values[key])
    base.change(network, connection, subnets, row.id, **changes)
    if changes.get("enable_dhcp", row.enable_dhcp) != row.enable_dhcp:
        dhcp.refresh(network, connection, row.network_id)
    network.touch("network", row.network_id)


def _require_gateway_unused(connection: Connection, row: Row[Any]) -> None:
    used = (
        sa.select(ip_allocations.c.port_id)
        .join(router_ports, router_ports.c.port_id == ip_allocations.c.port_id)
        .where(ip_allocations.c.subnet_id == row.id, ip_allocations.c.ip_address == row.gateway_ip)
        .limit(1)
    )
    port_id = connection.execute(used).scalar()
    if port_id is not None:
        raise conflict(
            "GatewayIpInUse", f"Current gateway ip {row.gateway_ip} already in use by port {port_id}. Unable to update."
        )


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Addresses that guests made themselves and DHCP's own go with it. Raises Conflict for any other in use."""
    holders = connection.execute(
        sa.select(port_table)
        .join(ip_allocations, ip_allocations.c.port_id == port_table.c.id)
        .where(ip_allocations.c.subnet_id == row.id)
        .distinct()
    ).all()
    automatic = ipam.is_automatic(row)
    for port in holders:
        may_go = port.device_owner in ports.AUTOMATIC or (automatic and not ports.is_router_owned(port.device_owner))
        if not may_go:
            raise conflict(
                "SubnetInUse",
                f"Unable to complete operation on subnet {row.id}: One or more ports have an IP allocation from this "
                "subnet.",
            )
    left = [(port, _without(port, row.id)) for port in holders]
    ports.remove(
        network, connection, *(port for port, fixed in left if not fixed and port.device_owner in ports.AUTOMATIC)
    )
    ports.store_addresses(
        network,
        connection,
        [(port, fixed) for port, fixed in left if fixed or port.device_owner not in ports.AUTOMATIC],
    )
    connection.execute(sa.delete(ip_allocations).where(ip_allocations.c.subnet_id == row.id))
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(subnets).where(subnets.c.id == row.id))
    refresh_network(network, connection, row.network_id)
    dhcp.refresh(network, connection, row.network_id)
    network.touch("network", row.network_id)


def _without(port: Row[Any], subnet_id: str) -> list[dict[str, str]]:
    return [entry for entry in base.from_json(port.fixed_ips) if entry["subnet_id"] != subnet_id]
