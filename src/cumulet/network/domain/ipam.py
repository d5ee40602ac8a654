"""Addresses: one row in `ip_allocations` for each in use; its primary key never gives one away twice.

Whoever allocates in a subnet holds that subnet's row locked, so writers of one subnet take turns and the search for a
free address is a few lookups: it goes on behind the address given last and starts over at the pool's beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import ApiError, Conflict, NotFound
from cumulet.network.domain import base
from cumulet.network.errors import bad_request
from cumulet.network.tables import ip_allocations, subnets

Address = IPv4Address | IPv6Address
AUTOMATIC_MODES = ("slaac", "dhcpv6-stateless")
_WINDOWS = (4, 64)


def is_automatic(subnet: Row[Any]) -> bool:
    """Whether guests make their own address from the prefix and their MAC (SLAAC)."""
    return subnet.ip_version == 6 and (
        subnet.ipv6_address_mode in AUTOMATIC_MODES or subnet.ipv6_ra_mode in AUTOMATIC_MODES
    )


def eui64(cidr: str, mac: str) -> str:
    """The address a guest with this MAC gives itself (RFC 4291, appendix A)."""
    digits = int(mac.replace(":", ""), 16)
    interface = ((digits >> 24) << 40) | (0xFFFE << 24) | (digits & 0xFFFFFF)
    network = ip_network(cidr)
    return str(ip_address(int(network.network_address) | (interface ^ (1 << 57))))


def take(connection: Connection, subnet: Row[Any], address: str, port_id: str) -> None:
    """Give one address to a port. Raises Conflict when it has an owner."""
    if address in _used(connection, subnet.id, [address]):
        raise _allocated(subnet, address)
    _give(connection, subnet, address, port_id)


def _give(connection: Connection, subnet: Row[Any], address: str, port_id: str) -> None:
    """The subnet's lock keeps others away; should one have come before it all the same, the index refuses."""
    row = {"network_id": subnet.network_id, "subnet_id": subnet.id, "ip_address": address, "port_id": port_id}
    try:
        base.insert(connection, ip_allocations, row)
    except IntegrityError as error:
        if violates_unique(error):
            raise _allocated(subnet, address) from None
        raise


def _allocated(subnet: Row[Any], address: str) -> ApiError:
    return Conflict(f"IP address {address} already allocated in subnet {subnet.id}", code="IpAddressAlreadyAllocated")


def take_many(connection: Connection, subnet: Row[Any], wanted: list[tuple[str, str]]) -> None:
    """Give addresses to ports, as (address, port id). Raises Conflict when one has an owner."""
    if not wanted:
        return
    rows = [
        {"network_id": subnet.network_id, "subnet_id": subnet.id, "ip_address": address, "port_id": port_id}
        for address, port_id in wanted
    ]
    try:
        connection.execute(sa.insert(ip_allocations), rows)
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(
                f"An address of subnet {subnet.id} is already allocated", code="IpAddressAlreadyAllocated"
            ) from None
        raise


_MOVE_CURSOR = (
    sa.update(subnets).where(subnets.c.id == sa.bindparam("sought")).values(allocation_cursor=sa.bindparam("last"))
)


def take_any(connection: Connection, subnet: Row[Any], port_id: str) -> str | None:
    """Give a free address of the subnet's pools to a port; None when there is none left."""
    address = next(_free(connection, subnet), None)
    if address is None:
        return None
    text = str(address)
    _give(connection, subnet, text, port_id)
    connection.execute(_MOVE_CURSOR, {"sought": subnet.id, "last": text})
    return text


def take_fitting(connection: Connection, subnet: Row[Any], port_id: str, mac: str) -> str | None:
    """An address as the subnet gives them: made of the MAC where guests make their own, else a free one of its pools.
    None when there is none left."""
    if not is_automatic(subnet):
        return take_any(connection, subnet, port_id)
    address = eui64(subnet.cidr, mac)
    take(connection, subnet, address, port_id)
    return address


def pools(subnet: Row[Any]) -> list[tuple[int, int]]:
    return [(int(ip_address(p["start"])), int(ip_address(p["end"]))) for p in base.from_json(subnet.allocation_pools)]


def _free(connection: Connection, subnet: Row[Any]) -> Iterator[Address]:
    """Free addresses behind the cursor, then from the start: first by small windows, then by reading all in use."""
    make = IPv4Address if subnet.ip_version == 4 else IPv6Address
    ranges = pools(subnet)
    cursor = int(ip_address(subnet.allocation_cursor)) if subnet.allocation_cursor else -1
    ahead = [(max(low, cursor + 1), high) for low, high in ranges if high > cursor]
    for low, high in ahead[:1]:
        start = low
        for size in _WINDOWS:
            window = [make(number) for number in range(start, min(high + 1, start + size))]
            used = _used(connection, subnet.id, [str(address) for address in window])
            yield from (address for address in window if str(address) not in used)
            start += size
    taken = _used(connection, subnet.id, None)
    for low, high in [*ahead, *ranges]:
        for number in range(low, high + 1):
            if str(make(number)) not in taken:
                yield make(number)


_ALL_USED = sa.select(ip_allocations.c.ip_address).where(ip_allocations.c.subnet_id == sa.bindparam("within"))
_SOME_USED = _ALL_USED.where(ip_allocations.c.ip_address.in_(sa.bindparam("among", expanding=True)))


def _used(connection: Connection, subnet_id: str, among: list[str] | None) -> set[str]:
    if among is None:
        return set(connection.execute(_ALL_USED, {"within": subnet_id}).scalars())
    return set(connection.execute(_SOME_USED, {"within": subnet_id, "among": among}).scalars())


def release(connection: Connection, port_id: str, addresses: list[str] | None = None) -> None:
    """Take a port's addresses back, all of them without `addresses`."""
    query = sa.delete(ip_allocations).where(ip_allocations.c.port_id == port_id)
    if addresses is not None:
        query = query.where(ip_allocations.c.ip_address.in_(addresses))
    connection.execute(query)


_LOCK = (
    sa.select(subnets)
    .where(subnets.c.network_id == sa.bindparam("within"))
    .order_by(subnets.c.created_at, subnets.c.id)
    .with_for_update()
)


def locked_subnets(connection: Connection, network_id: str) -> list[Row[Any]]:
    """A network's subnets in a stable order, locked until the transaction ends."""
    return list(connection.execute(_LOCK, {"within": network_id}))


def assign(
    connection: Connection,
    network_id: str,
    port_id: str,
    mac: str,
    device_owner: str,
    wanted: list[dict[str, Any]] | None,
) -> list[dict[str, str]]:
    """A port's addresses: those wanted, or one of each version (and every automatic prefix) without a wish.

    Returns [{"subnet_id", "ip_address"}]. Raises BadRequest for an address that does not fit, Conflict for one in use
    or when no address is left.
    """
    found = locked_subnets(connection, network_id)
    if wanted is None:
        return _assign_default(connection, network_id, found, port_id, mac, device_owner)
    by_id = {subnet.id: subnet for subnet in found}
    given = [_assign_one(connection, network_id, by_id, port_id, mac, device_owner, wish) for wish in wanted]
    if wanted and not device_owner.startswith("network:router"):
        present = {entry["subnet_id"] for entry in given}
        for subnet in found:
            if is_automatic(subnet) and subnet.id not in present and _fits(subnet, device_owner):
                given.append(_take_automatic(connection, subnet, port_id, mac))
    return given


def _assign_default(
    connection: Connection, network_id: str, found: list[Row[Any]], port_id: str, mac: str, device_owner: str
) -> list[dict[str, str]]:
    usable = [subnet for subnet in found if _fits(subnet, device_owner)]
    given: list[dict[str, str]] = []
    for version in (4, 6):
        plain = [subnet for subnet in usable if subnet.ip_version == version and not is_automatic(subnet)]
        address = None
        for subnet in plain:
            address = take_any(connection, subnet, port_id)
            if address is not None:
                given.append({"subnet_id": subnet.id, "ip_address": address})
                break
        if plain and address is None:
            raise Conflict(
                f"No more IP addresses available on network {network_id}.", code="IpAddressGenerationFailure"
            )
    automatic = [subnet for subnet in usable if is_automatic(subnet)]
    return given + [_take_automatic(connection, subnet, port_id, mac) for subnet in automatic]


def _fits(subnet: Row[Any], device_owner: str) -> bool:
    """Service types (extension subnet-service-types): a subnet that names owners serves only those."""
    types = base.from_json(subnet.service_types)
    return not types or any(device_owner == kind or device_owner.startswith(kind) for kind in types)


def _take_automatic(connection: Connection, subnet: Row[Any], port_id: str, mac: str) -> dict[str, str]:
    address = eui64(subnet.cidr, mac)
    take(connection, subnet, address, port_id)
    return {"subnet_id": subnet.id, "ip_address": address}


def _assign_one(
    connection: Connection,
    network_id: str,
    by_id: dict[str, Row[Any]],
    port_id: str,
    mac: str,
    device_owner: str,
    wish: dict[str, Any],
) -> dict[str, str]:
    subnet = _subnet_of(connection, network_id, by_id, wish)
    address = wish.get("ip_address")
    router = device_owner.startswith("network:router")
    if address is None:
        if is_automatic(subnet) and not router:
            return _take_automatic(connection, subnet, port_id, mac)
        address = take_any(connection, subnet, port_id)
        if address is None:
            raise Conflict(
                f"No more IP addresses available on network {network_id}.", code="IpAddressGenerationFailure"
            )
        return {"subnet_id": subnet.id, "ip_address": address}
    if is_automatic(subnet) and not router and address != eui64(subnet.cidr, mac):
        raise bad_request(
            f"IPv6 address {address} can not be directly assigned to a port on subnet {subnet.id} since the subnet is "
            "configured for automatic addresses",
            "AllocationOnAutoAddressSubnet",
        )
    take(connection, subnet, address, port_id)
    return {"subnet_id": subnet.id, "ip_address": address}


_EXISTS = sa.select(subnets.c.id).where(subnets.c.id == sa.bindparam("sought"))


def _subnet_of(connection: Connection, network_id: str, by_id: dict[str, Row[Any]], wish: dict[str, Any]) -> Row[Any]:
    address = ip_address(wish["ip_address"]) if wish.get("ip_address") else None
    if wish.get("subnet_id"):
        subnet = by_id.get(wish["subnet_id"])
        if subnet is None and connection.execute(_EXISTS, {"sought": wish["subnet_id"]}).first() is None:
            raise NotFound(f"Subnet {wish['subnet_id']} could not be found.", code="SubnetNotFound")
        if subnet is None:
            raise bad_request(
                f"Failed to create port on network {network_id}, because fixed_ips included invalid subnet "
                f"{wish['subnet_id']}",
                "InvalidInput",
            )
        if address is not None and not _valid_host(subnet, address):
            raise bad_request(f"IP address {address} is not a valid IP for the specified subnet.", "InvalidIpForSubnet")
        return subnet
    if address is None:
        raise bad_request(
            "Invalid input for operation: IP allocation requires subnet_id or ip_address.", "InvalidInput"
        )
    for subnet in by_id.values():
        if _valid_host(subnet, address):
            return subnet
    raise bad_request(
        f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
        "InvalidIpForNetwork",
    )


def _valid_host(subnet: Row[Any], address: Address) -> bool:
    """Inside the prefix, and neither its network nor its broadcast address where such exist."""
    network = ip_network(subnet.cidr)
    if address.version != network.version or address not in network:
        return False
    if network.version == 4 and network.prefixlen < 31:
        return address not in (network.network_address, network.broadcast_address)
    return network.prefixlen >= 127 or address != network.network_address
