"""Networks: create with their segments, share, open to the outside, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, ports, qos_policies, quotas, segments
from cumulet.network.domain.source import Source, Thing, field_name, seen_as
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import floating_ips, networks, routers, subnets
from cumulet.network.tables import ports as port_table

PROVIDER: Final = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
_MINIMUM_MTU = {4: 68, 6: 1280}


def missing(identifier: str) -> NotFound:
    return NotFound(f"Network {identifier} could not be found.", code="NetworkNotFound")


VISIBLE = sa.or_(
    base.own(networks),
    networks.c.shared,
    networks.c.external & networks.c.id.in_(base.shared_with_caller("network", "access_as_external")),
    networks.c.id.in_(base.shared_with_caller("network")),
)
"""A project sees its own networks, those shared with it, and the external ones."""
_PROVIDER_COLUMNS: Final = {
    "provider:network_type": networks.c.network_type,
    "provider:physical_network": networks.c.physical_network,
    "provider:segmentation_id": networks.c.segmentation_id,
}
SOURCE = Source(
    networks,
    missing,
    (
        *base.NAMED,
        "admin_state_up",
        "mtu",
        "status",
        "subnets",
        "shared",
        "availability_zone_hints",
        "availability_zones",
        "ipv4_address_scope",
        "ipv6_address_scope",
        "router:external",
        "port_security_enabled",
        "qos_policy_id",
        "dns_domain",
        "is_default",
        *PROVIDER,
    ),
    where={"router:external": networks.c.external, **_PROVIDER_COLUMNS},
    extra=("segments",),
    visible=VISIBLE,
    filters=base.tag_filters(networks),
)
load = SOURCE.load


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """`shared` is also true for a network that is shared with the caller's project alone; networks with several
    segments show `segments` instead of the provider attributes."""
    shared = base.shared_ids(connection, ctx, "network")
    several = [thing.id for thing in things if thing.provider_network_type is None]
    found = segments.of_networks(connection, several) if several else {}
    for thing in things:
        if thing.id in shared:
            thing.shared = True
        if len(found.get(thing.id, ())) > 1:
            thing.segments = found[thing.id]
            for key in PROVIDER:
                setattr(thing, field_name(key), msgspec.UNSET)


class Standing(NamedTuple):
    """What access rules ask about a network: whose it is, and whether it is shared with the caller."""

    owner: str
    shared: bool


_STANDING = sa.select(
    networks.c.project_id, sa.or_(networks.c.shared, networks.c.id.in_(base.shared_with_caller("network"))), VISIBLE
).where(networks.c.id == sa.bindparam("sought"))


def standing(connection: Connection, network_id: str, ctx: Context, *, unseen: bool = False) -> Standing:
    """Raises the 404; also for a network that the caller may not see, unless it may be `unseen`."""
    row = connection.execute(_STANDING, {"sought": network_id, **seen_as(ctx)}).first()
    if row is None or not (row[2] or unseen or base.sees_everything(ctx)):
        raise missing(network_id)
    return Standing(row[0], bool(row[1]))


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest, Conflict (quota, id in use) or ServiceUnavailable (no id left); leaves nothing then."""
    project_id = values["project_id"]
    quotas.require(network, connection, project_id, "network")
    wanted = _wanted_segments(values)
    qos_policies.require_usable(connection, ctx, values.get("qos_policy_id"))
    values.setdefault("qos_policy_id", qos_policies.default_of(connection, project_id))
    network_id = uuid_id()
    row = base.new_row(network, {"id": network_id, "status": "ACTIVE", "subnets": "[]", "availability_zones": "[]"})
    row |= _columns(values)
    row["project_id"] = project_id
    row |= {"mtu": 0, "revision_number": 1}
    base.insert(connection, networks, row)
    found = [
        segments.allocate(network, connection, network_id, one, index, project_id=project_id)
        for index, one in enumerate(wanted)
    ]
    changes: Values = {"mtu": _mtu(values.get("mtu"), segments.mtu(network, found))}
    if len(found) == 1:
        changes |= found[0]
    connection.execute(sa.update(networks).where(networks.c.id == network_id).values(**changes))
    if values.get("shared"):
        base.share_with_all(connection, "network", network_id, project_id, True)
    if values.get("router:external"):
        base.share_with_all(connection, "network", network_id, project_id, True, "access_as_external")
    if values.get("is_default"):
        _require_only_default(connection, network_id, bool(values.get("router:external")))
    return network_id


def _wanted_segments(values: Values) -> list[Values | None]:
    """Segments as given by `provider:*`, by `segments` (multi-provider), or none."""
    several = values.get("segments")
    single = {key: values[key] for key in PROVIDER if values.get(key) is not None}
    if several and single:
        raise bad_request("Segments and provider values cannot both be set.", "SegmentsSetInConjunctionWithProviders")
    if several:
        return [_plain(segment) for segment in several]
    return [_plain(single)] if single else [None]


def _plain(segment: Values) -> Values:
    return {key.removeprefix("provider:"): value for key, value in segment.items()}


def _mtu(asked: int | None, largest: int) -> int:
    if asked in (None, 0):
        return largest
    assert asked is not None
    if asked > largest:
        raise invalid_input(f"Requested MTU is too big, maximum is {largest}")
    return asked


_COLUMNS: Final = {
    "name": "name",
    "description": "description",
    "admin_state_up": "admin_state_up",
    "port_security_enabled": "port_security_enabled",
    "shared": "shared",
    "router:external": "external",
    "qos_policy_id": "qos_policy_id",
    "dns_domain": "dns_domain",
    "is_default": "is_default",
}


def _columns(values: Values) -> Values:
    row = {column: values[key] for key, column in _COLUMNS.items() if key in values}
    if "availability_zone_hints" in values:
        row["availability_zone_hints"] = base.to_json(values["availability_zone_hints"])
    return row


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest, or Conflict where sharing or being external is in use."""
    if any(values.get(key) is not None and values[key] != current for key, current in _provider_of(row).items()):
        raise invalid_input("Plugin does not support updating provider attributes")
    changes = _columns(values)
    if "qos_policy_id" in values:
        qos_policies.require_usable(connection, ctx, values["qos_policy_id"])
        mine = port_table.c.network_id == row.id
        connection.execute(sa.update(port_table).where(mine).values(qos_network_policy_id=values["qos_policy_id"]))
    if "mtu" in values:
        _check_subnets_fit(connection, row.id, values["mtu"])
        found = base_segments(connection, row.id)
        changes["mtu"] = _mtu(values["mtu"], segments.mtu(network, found))
    if row.shared and values.get("shared") is False:
        _require_unshareable(connection, row)
    if row.external and values.get("router:external") is False:
        _require_no_gateways(connection, row.id)
    for key, action in (("shared", "access_as_shared"), ("router:external", "access_as_external")):
        if key in values:
            base.share_with_all(connection, "network", row.id, row.project_id, values[key], action)
    if values.get("is_default"):
        _require_only_default(connection, row.id, values.get("router:external", row.external))
    base.change(network, connection, networks, row.id, **changes)
    network.touch("network", row.id)


def base_segments(connection: Connection, network_id: str) -> list[Values]:
    """The network's segments as {"network_type", "physical_network", "segmentation_id"}."""
    found = segments.of_networks(connection, [network_id]).get(network_id, [])
    return [_plain(segment) for segment in found]


def _provider_of(row: Row[Any]) -> Values:
    return {
        "provider:network_type": row.network_type,
        "provider:physical_network": row.physical_network,
        "provider:segmentation_id": row.segmentation_id,
    }


def _check_subnets_fit(connection: Connection, network_id: str, mtu: int) -> None:
    for version in connection.execute(
        sa.select(subnets.c.ip_version).where(subnets.c.network_id == network_id)
    ).scalars():
        if mtu and mtu < _MINIMUM_MTU[version]:
            raise bad_request(
                f"Invalid input for operation: Requested MTU is too small for IPv{version}.", "InvalidInput"
            )


def _require_unshareable(connection: Connection, row: Row[Any]) -> None:
    """Nobody else may stand on a network that stops being shared."""
    foreign = sa.select(port_table.c.id).where(
        port_table.c.network_id == row.id,
        port_table.c.project_id.not_in([row.project_id, ""]),
        sa.not_(port_table.c.device_owner.like("network:%")),
    )
    foreign_subnets = sa.select(subnets.c.id).where(
        subnets.c.network_id == row.id, subnets.c.project_id != row.project_id
    )
    if connection.execute(sa.union_all(foreign, foreign_subnets).limit(1)).first() is not None:
        raise conflict(
            "InvalidSharedSetting",
            f"Unable to reconfigure sharing settings for network {row.id}. Multiple tenants are using it.",
        )


def _require_no_gateways(connection: Connection, network_id: str) -> None:
    used = sa.select(routers.c.id).where(routers.c.gateway_network_id == network_id).limit(1)
    if connection.execute(used).first() is not None:
        raise conflict(
            "ExternalNetworkInUse",
            f"External network {network_id} cannot be updated to be made non-external, since it has existing "
            "gateway ports.",
        )


def _require_only_default(connection: Connection, network_id: str, external: bool) -> None:
    if not external:
        raise invalid_input("Only external networks can be default")
    other = sa.select(networks.c.id).where(networks.c.is_default, networks.c.id != network_id).limit(1)
    if connection.execute(other).first() is not None:
        raise conflict("DefaultExternalNetworkExists", "A default external network already exists.")


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Takes DHCP's own ports and unused floating IPs along. Raises Conflict while any other port stands on it."""
    if row.external:
        _drop_floating_ips(network, connection, row.id)
    owned = sa.select(port_table).where(port_table.c.network_id == row.id)
    found = connection.execute(owned.with_for_update()).all()
    in_use = [port.id for port in found if port.device_owner not in ports.AUTOMATIC]
    if in_use:
        raise conflict(
            "NetworkInUse",
            f"Unable to complete operation on network {row.id}. There are one or more ports still in use on the "
            f"network, id for these ports is: {','.join(in_use)}.",
        )
    ports.remove(network, connection, *found)
    mine = sa.select(subnets.c.id).where(subnets.c.network_id == row.id)
    base.forget_tags(connection, row.id, *connection.execute(mine).scalars())
    connection.execute(sa.delete(subnets).where(subnets.c.network_id == row.id))
    segments.release(connection, row.id)
    base.unshare(connection, "network", row.id)
    connection.execute(sa.delete(networks).where(networks.c.id == row.id))
    network.touch("network", row.id)


def _drop_floating_ips(network: Network, connection: Connection, network_id: str) -> None:
    """Floating IPs that lead nowhere end with their network, as by the original."""
    idle = sa.select(floating_ips.c.id, floating_ips.c.floating_port_id).where(
        floating_ips.c.floating_network_id == network_id,
        floating_ips.c.port_id.is_(None),
        floating_ips.c.router_id.is_(None),
    )
    found = connection.execute(idle.with_for_update()).all()
    if found:
        base.forget_tags(connection, *(row.id for row in found))
        connection.execute(sa.delete(floating_ips).where(floating_ips.c.id.in_([row.id for row in found])))
        carried = port_table.c.id.in_([row.floating_port_id for row in found])
        ports.remove(network, connection, *connection.execute(sa.select(port_table).where(carried)).all())
