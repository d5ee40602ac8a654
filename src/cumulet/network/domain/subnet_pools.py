"""Subnet pools: prefixes from which subnets are cut, each bit given once."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import address_scopes, base, quotas
from cumulet.network.domain.source import Shown, Source
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import subnet_pools, subnets

Prefix = IPv4Network | IPv6Network
# A pool's prefixes are of one version, which the types of `ipaddress` cannot say: hence the ignores below.
_MINIMUM: Final = {4: 8, 6: 64}
_MAXIMUM: Final = {4: 32, 6: 128}
_LENGTHS: Final = ("default_prefixlen", "min_prefixlen", "max_prefixlen")
_PLAIN: Final = (
    "ip_version",
    *_LENGTHS,
    "default_quota",
    "address_scope_id",
    "shared",
    "is_default",
)


def missing(identifier: str) -> NotFound:
    return NotFound(f"Subnet pool {identifier} could not be found.", code="SubnetPoolNotFound")


SOURCE = Source(
    subnet_pools,
    missing,
    (*base.NAMED, "prefixes", *_PLAIN),
    # The original shows these three as texts.
    where={name: Shown(subnet_pools.c[name], str) for name in _LENGTHS},
    visible=base.own_or_shared(subnet_pools, "subnetpool"),
    filters=base.tag_filters(subnet_pools),
)
load = SOURCE.load


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for prefixes that do not fit together, Conflict for those another pool of the scope has."""
    quotas.require(network, connection, values["project_id"], "subnetpool")
    prefixes = _compacted(values["prefixes"])
    version = prefixes[0].version
    lengths = _lengths(values, version)
    if values.get("is_default"):
        _require_only_default(connection, version)
    scope_id = values.get("address_scope_id")
    if scope_id is not None:
        _require_room_in_scope(connection, ctx, scope_id, version, prefixes, None)
    row = base.new_row(
        network,
        {
            **{key: values[key] for key in ("project_id", "name", "description", "shared", "is_default")},
            **lengths,
            "ip_version": version,
            "prefixes": base.to_json([str(prefix) for prefix in prefixes]),
            "default_quota": values.get("default_quota"),
            "address_scope_id": scope_id,
        },
    )
    base.insert(connection, subnet_pools, row)
    if values["shared"]:
        base.share_with_all(connection, "subnetpool", row["id"], values["project_id"], True)
    return str(row["id"])


def _compacted(texts: list[str]) -> list[Prefix]:
    prefixes: list[Prefix] = [ip_network(text) for text in texts]
    if not prefixes:
        raise bad_request("Empty subnet pool prefix list.", "EmptySubnetPoolPrefixList")
    if len({prefix.version for prefix in prefixes}) > 1:
        raise bad_request("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", "PrefixVersionMismatch")
    return sorted(collapse_addresses(prefixes))  # type: ignore[type-var]


def _lengths(values: Values, version: int) -> Values:
    shortest = values.get("min_prefixlen") or _MINIMUM[version]
    longest = values.get("max_prefixlen") or _MAXIMUM[version]
    default = values.get("default_prefixlen") or shortest
    if shortest < 1 or longest > _MAXIMUM[version]:
        raise bad_request(
            f"Unable to complete operation: prefix lengths of IPv{version} are 1 to {_MAXIMUM[version]}.",
            "UnsupportedMinSubnetPoolPrefix",
        )
    if shortest > longest:
        raise bad_request(
            f"Illegal prefix bounds: min_prefixlen={shortest}, max_prefixlen={longest}.",
            "IllegalSubnetPoolPrefixBounds",
        )
    if not shortest <= default <= longest:
        raise bad_request(
            f"Illegal prefix bounds: default_prefixlen={default}, min_prefixlen={shortest}, max_prefixlen={longest}.",
            "IllegalSubnetPoolPrefixBounds",
        )
    return {"min_prefixlen": shortest, "max_prefixlen": longest, "default_prefixlen": default}


def _require_only_default(connection: Connection, version: int) -> None:
    other = sa.select(subnet_pools.c.id).where(subnet_pools.c.is_default, subnet_pools.c.ip_version == version)
    if connection.execute(other.limit(1)).first() is not None:
        raise invalid_input(
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        )


def _require_room_in_scope(
    connection: Connection, ctx: Context, scope_id: str, version: int, prefixes: list[Prefix], but: str | None
) -> None:
    scope = address_scopes.SOURCE.load(connection, scope_id, ctx, lock=True)
    if scope.ip_version != version:
        raise bad_request(
            f"Illegal subnetpool association: subnetpool cannot associate with address scope {scope_id} because "
            "subnetpool ip_version is not the same as that of the address scope.",
            "IllegalSubnetPoolIpVersionAssociationToAddressScope",
        )
    others = sa.select(subnet_pools.c.id, subnet_pools.c.prefixes).where(subnet_pools.c.address_scope_id == scope_id)
    for other in connection.execute(others).all():
        if other.id == but:
            continue
        for text in base.from_json(other.prefixes):
            if any(ip_network(text).overlaps(prefix) for prefix in prefixes):
                raise conflict(
                    "AddressScopePrefixConflict",
                    "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
                )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Prefixes only grow here. Raises BadRequest or Conflict."""
    changes: Values = {
        key: values[key] for key in ("name", "description", "default_quota", "is_default") if key in values
    }
    current = _compacted(base.from_json(row.prefixes))
    prefixes = current
    if "prefixes" in values:
        prefixes = _compacted(values["prefixes"])
        if prefixes[0].version != row.ip_version:
            raise bad_request("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", "PrefixVersionMismatch")
        if not all(any(old.subnet_of(new) for new in prefixes) for old in current):  # type: ignore[arg-type]
            raise bad_request(
                "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.",
                "IllegalSubnetPoolPrefixUpdate",
            )
        changes["prefixes"] = base.to_json([str(prefix) for prefix in prefixes])
    if any(name in values for name in _LENGTHS):
        changes |= _lengths({name: values.get(name, getattr(row, name)) for name in _LENGTHS}, row.ip_version)
    if values.get("is_default") and not row.is_default:
        _require_only_default(connection, row.ip_version)
    if "address_scope_id" in values:
        changes["address_scope_id"] = values["address_scope_id"]
    scope_id = changes.get("address_scope_id", row.address_scope_id)
    if scope_id is not None and ("prefixes" in changes or "address_scope_id" in changes):
        _require_room_in_scope(connection, ctx, scope_id, row.ip_version, prefixes, row.id)
    base.change(network, connection, subnet_pools, row.id, **changes)


def change_prefixes(
    network: Network, connection: Connection, ctx: Context, row: Row[Any], *, add: list[str], remove: list[str]
) -> list[str]:
    """add_prefixes / remove_prefixes: the prefixes afterwards. Raises Conflict for one in use."""
    current = set(_compacted(base.from_json(row.prefixes)))
    gone = {ip_network(text) for text in remove}
    unknown = [prefix for prefix in gone if not any(prefix.subnet_of(have) for have in current)]  # type: ignore[arg-type]
    if unknown:
        raise bad_request(
            f"Illegal prefix removal: {', '.join(map(str, unknown))} is not in the subnet pool.",
            "IllegalSubnetPoolPrefixRemoval",
        )
    for used in connection.execute(sa.select(subnets.c.cidr).where(subnets.c.subnetpool_id == row.id)).scalars():
        if any(ip_network(used).overlaps(prefix) for prefix in gone):
            raise conflict("IllegalSubnetPoolPrefixRemoval", f"Prefix of subnet {used} is in use.")
    left: list[Prefix] = list(current)
    for prefix in gone:
        left = [part for have in left for part in _without(have, prefix)]
    after = sorted(collapse_addresses([*left, *(ip_network(text) for text in add)]))  # type: ignore[type-var]
    if row.address_scope_id is not None and add:
        _require_room_in_scope(connection, ctx, row.address_scope_id, row.ip_version, after, row.id)
    texts = [str(prefix) for prefix in after]
    base.change(network, connection, subnet_pools, row.id, prefixes=base.to_json(texts))
    return texts


def _without(have: Prefix, gone: Prefix) -> list[Prefix]:
    if gone == have:
        return []
    return list(have.address_exclude(gone)) if gone.subnet_of(have) else [have]  # type: ignore[arg-type]


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises BadRequest while subnets are cut from it."""
    used = sa.select(subnets.c.id).where(subnets.c.subnetpool_id == row.id).limit(1)
    if connection.execute(used).first() is not None:
        raise bad_request(
            "Unable to delete subnet pool: Subnet pool has existing allocations.", "SubnetPoolDeleteError"
        )
    base.unshare(connection, "subnetpool", row.id)
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(subnet_pools).where(subnet_pools.c.id == row.id))


def default_of(connection: Connection, ctx: Context, version: int) -> str:
    """The default pool of an IP version. Raises BadRequest."""
    query = sa.select(subnet_pools.c.id).where(subnet_pools.c.is_default, subnet_pools.c.ip_version == version)
    found = connection.execute(query).scalar()
    if found is None:
        raise bad_request(f"Bad subnets request: No default subnetpool found for IPv{version}.", "BadRequest")
    return str(found)


def cut(network: Network, connection: Connection, ctx: Context, pool_id: str, values: Values, version: int) -> str:
    """A prefix of the pool for a new subnet: the one asked for, or the first free of the length.

    Raises BadRequest for a length out of bounds, Conflict when there is no room or the project's quota is used up.
    """
    pool = load(connection, pool_id, ctx, lock=True)
    if pool.ip_version != version:
        raise bad_request(
            f"Bad subnets request: Cannot allocate IPv{version} subnet from IPv{pool.ip_version} subnet pool.",
            "BadRequest",
        )
    wanted = ip_network(values["cidr"]) if values.get("cidr") else None
    length = wanted.prefixlen if wanted is not None else values.get("prefixlen") or pool.default_prefixlen
    if length < pool.min_prefixlen:
        raise bad_request(
            f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is {pool.min_prefixlen}.",
            "MinPrefixSubnetAllocationError",
        )
    if length > pool.max_prefixlen:
        raise bad_request(
            f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is {pool.max_prefixlen}.",
            "MaxPrefixSubnetAllocationError",
        )
    mine = connection.execute(
        sa.select(subnets.c.cidr, subnets.c.project_id).where(subnets.c.subnetpool_id == pool_id)
    ).all()
    _require_pool_quota(pool, values["project_id"], length, mine)
    taken = sorted(ip_network(row.cidr) for row in mine)
    prefixes = _compacted(base.from_json(pool.prefixes))
    if wanted is not None:
        inside = any(wanted.subnet_of(prefix) for prefix in prefixes)  # type: ignore[arg-type]
        if not inside or any(wanted.overlaps(used) for used in taken):
            raise _no_room(f"{wanted} cannot be allocated")
        return str(wanted)
    for prefix in prefixes:
        found = _first_free(prefix, length, taken)
        if found is not None:
            return str(found)
    raise _no_room("Insufficient prefix space to allocate subnet size /" + str(length))


def _no_room(reason: str) -> Exception:
    return conflict("SubnetAllocationError", f"Failed to allocate subnet: {reason}.")


def _first_free(prefix: Prefix, length: int, taken: list[Any]) -> Prefix | None:
    """The lowest aligned block of `length` bits in `prefix` that meets none of `taken` (sorted)."""
    if prefix.prefixlen > length:
        return None
    size = 1 << (prefix.max_prefixlen - length)
    start, end = int(prefix.network_address), int(prefix.broadcast_address)
    for used in taken:
        low, high = int(used.network_address), int(used.broadcast_address)
        if used.version != prefix.version or high < start:
            continue
        if low >= start + size:
            break
        start = (high + size) // size * size
    if start + size - 1 > end:
        return None
    return ip_network((start, length)) if prefix.version == 4 else IPv6Network((start, length))


def _require_pool_quota(pool: Row[Any], project_id: str, length: int, mine: Any) -> None:
    """Counted in addresses for IPv4 and in /64s for IPv6, as the original does."""
    if pool.default_quota is None:
        return
    unit = 32 if pool.ip_version == 4 else 64

    def weight(prefixlen: int) -> int:
        return 1 << max(0, unit - prefixlen)

    used = sum(weight(ip_network(row.cidr).prefixlen) for row in mine if row.project_id == project_id)
    if used + weight(length) > pool.default_quota:
        raise conflict("SubnetPoolQuotaExceeded", "Per-project subnet pool prefix quota exceeded.")


def scopes_of(connection: Connection, pool_ids: list[str]) -> dict[str | None, str | None]:
    """The address scope of each pool."""
    if not pool_ids:
        return {}
    query = sa.select(subnet_pools.c.id, subnet_pools.c.address_scope_id).where(subnet_pools.c.id.in_(pool_ids))
    return {row.id: row.address_scope_id for row in connection.execute(query)}
