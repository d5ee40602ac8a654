"""Networks: create with their segments, share, open to the outside, delete."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, ports, quotas, segments
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import networks, rbac_policies, resource_tags, routers, subnets
from cumulet.network.tables import ports as port_table

PROVIDER: Final = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
_MINIMUM_MTU = {4: 68, 6: 1280}


def missing(identifier: str) -> NotFound:
    return NotFound(f"Network {identifier} could not be found.", code="NetworkNotFound")


def load(connection: Connection, network_id: str, ctx: Context | None = None, *, lock: bool = False) -> Row[Any]:
    """The network's row, if `ctx` may see it (None: whoever). Raises the 404."""
    query = sa.select(networks).where(networks.c.id == network_id)
    visible = seen_by(ctx) if ctx is not None else None
    if visible is not None:
        query = query.where(visible)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise missing(network_id)
    return row


def seen_by(ctx: Context) -> sa.ColumnElement[bool] | None:
    """A project sees its own networks, those shared with it, and the external ones."""
    if base.sees_everything(ctx):
        return None
    return sa.or_(
        networks.c.project_id == ctx.project_id,
        networks.c.shared,
        networks.c.external & networks.c.id.in_(base.shared_with(ctx, "network", "access_as_external")),
        networks.c.id.in_(base.shared_with(ctx, "network")),
    )


def view(row: Row[Any]) -> dict[str, Any]:
    """All attributes; `shared` is what holds for everybody (the handler adds what holds for the caller)."""
    return {
        **base.standard_view(row),
        "admin_state_up": row.admin_state_up,
        "mtu": row.mtu,
        "status": row.status,
        "subnets": base.raw(row.subnets),
        "shared": row.shared,
        "availability_zone_hints": base.raw(row.availability_zone_hints),
        "availability_zones": base.raw(row.availability_zones),
        "ipv4_address_scope": row.ipv4_address_scope,
        "ipv6_address_scope": row.ipv6_address_scope,
        "router:external": row.external,
        "port_security_enabled": row.port_security_enabled,
        "qos_policy_id": row.qos_policy_id,
        "dns_domain": row.dns_domain,
        "is_default": row.is_default,
        "provider:network_type": row.network_type,
        "provider:physical_network": row.physical_network,
        "provider:segmentation_id": row.segmentation_id,
    }


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest, Conflict (quota, id in use) or ServiceUnavailable (no id left); leaves nothing then."""
    project_id = values["project_id"]
    quotas.require(network, connection, project_id, "network")
    wanted = _wanted_segments(values)
    network_id = uuid_id()
    row = base.new_row(network, {"id": network_id, "status": "ACTIVE", "subnets": "[]", "availability_zones": "[]"})
    row |= _columns(values)
    row["project_id"] = project_id
    row |= {"mtu": 0, "revision_number": 1}
    connection.execute(sa.insert(networks).values(**row))
    found = [segments.allocate(network, connection, network_id, one, index) for index, one in enumerate(wanted)]
    changes: Values = {"mtu": _mtu(values.get("mtu"), segments.mtu(network, found))}
    if len(found) == 1:
        changes |= found[0]
    connection.execute(sa.update(networks).where(networks.c.id == network_id).values(**changes))
    _share(connection, network_id, project_id, "access_as_shared", values.get("shared", False))
    _share(connection, network_id, project_id, "access_as_external", values.get("router:external", False))
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
            _share(connection, row.id, row.project_id, action, values[key])
    if values.get("is_default"):
        _require_only_default(connection, row.id, values.get("router:external", row.external))
    base.change(network, connection, networks, row.id, **changes)


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


def _share(connection: Connection, network_id: str, project_id: str, action: str, wanted: bool) -> None:
    """`shared` and `router:external` are policies for everybody: one mechanism, seen through two attributes."""
    everybody = sa.and_(
        rbac_policies.c.object_type == "network",
        rbac_policies.c.object_id == network_id,
        rbac_policies.c.action == action,
        rbac_policies.c.target_project == "*",
    )
    exists = connection.execute(sa.select(rbac_policies.c.id).where(everybody)).first() is not None
    if wanted and not exists:
        policy = {"id": uuid_id(), "project_id": project_id, "object_type": "network", "object_id": network_id}
        connection.execute(sa.insert(rbac_policies).values(**policy, target_project="*", action=action))
    elif exists and not wanted:
        connection.execute(sa.delete(rbac_policies).where(everybody))


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
    """Takes DHCP's own ports along. Raises Conflict while any other port stands on it."""
    owned = sa.select(port_table.c.id, port_table.c.device_owner).where(port_table.c.network_id == row.id)
    found = connection.execute(owned.with_for_update()).all()
    if any(port.device_owner not in ports.AUTOMATIC for port in found):
        raise conflict(
            "NetworkInUse",
            f"Unable to complete operation on network {row.id}. There are one or more ports still in use on the "
            "network.",
        )
    for port in found:
        ports.remove(connection, port.id)
    mine = sa.select(subnets.c.id).where(subnets.c.network_id == row.id)
    connection.execute(sa.delete(resource_tags).where(resource_tags.c.resource_id.in_(mine)))
    connection.execute(sa.delete(subnets).where(subnets.c.network_id == row.id))
    segments.release(connection, row.id)
    connection.execute(
        sa.delete(rbac_policies).where(rbac_policies.c.object_type == "network", rbac_policies.c.object_id == row.id)
    )
    connection.execute(sa.delete(resource_tags).where(resource_tags.c.resource_id == row.id))
    connection.execute(sa.delete(networks).where(networks.c.id == row.id))
