"""Ports: a MAC, its addresses, its security groups and the host it is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.context import Context
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import (
    base,
    bindings,
    floating_targets,
    ipam,
    macs,
    networks,
    notices,
    port_values,
    qos_policies,
    quotas,
    security_groups,
)
from cumulet.network.domain.source import Condition, Source, Thing
from cumulet.network.errors import bad_request, conflict, invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import (
    ip_allocations,
    port_bindings,
    port_security_groups,
    ports,
    router_ports,
    trunk_subports,
    trunks,
)
from cumulet.network.tables import networks as network_table

AUTOMATIC: Final = frozenset({"network:dhcp", "network:distributed", "network:routed", "network:local_ip"})
"""Owners whose ports go with their network."""
_JSON: Final = ("fixed_ips", "security_groups", "allowed_address_pairs", "extra_dhcp_opts", "dns_assignment")
_PLAIN: Final = (
    "name",
    "description",
    "admin_state_up",
    "device_id",
    "device_owner",
    "dns_name",
    "dns_domain",
    "qos_policy_id",
    "port_security_enabled",
)


def missing(identifier: str) -> NotFound:
    return NotFound(f"Port {identifier} could not be found.", code="PortNotFound")


def is_router_owned(device_owner: str) -> bool:
    return device_owner.startswith("network:router") or device_owner == "network:ha_router_replicated_interface"


def _fixed_ips(values: list[str]) -> Condition:
    """`ip_address=…`, `subnet_id=…`, `ip_address_substr=…`: of one kind any may match, of several kinds all must."""
    wanted: dict[str, list[str]] = {}
    for value in values:
        key, separator, given = value.partition("=")
        if not separator or key not in ("ip_address", "subnet_id", "ip_address_substr"):
            raise invalid_input(f"'{value}' is not of the form <key>=[value]")
        wanted.setdefault(key, []).append(given)
    conditions: list[Condition] = []
    if "ip_address" in wanted:
        conditions.append(ip_allocations.c.ip_address.in_(wanted["ip_address"]))
    if "subnet_id" in wanted:
        conditions.append(ip_allocations.c.subnet_id.in_(wanted["subnet_id"]))
    if "ip_address_substr" in wanted:
        parts = wanted["ip_address_substr"]
        conditions.append(sa.or_(*(ip_allocations.c.ip_address.contains(part, autoescape=True) for part in parts)))
    return ports.c.id.in_(sa.select(ip_allocations.c.port_id).where(*conditions))


def _security_groups(values: list[str]) -> Condition:
    members = sa.select(port_security_groups.c.port_id).where(port_security_groups.c.security_group_id.in_(values))
    return ports.c.id.in_(members)


SOURCE = Source(
    ports,
    missing,
    (
        *base.NAMED,
        "network_id",
        "mac_address",
        "admin_state_up",
        "status",
        "device_id",
        "device_owner",
        "port_security_enabled",
        "dns_name",
        "dns_domain",
        "qos_policy_id",
        "qos_network_policy_id",
        "ip_allocation",
        "propagate_uplink_status",
        "resource_request",
        "binding:host_id",
        "binding:vnic_type",
        "binding:vif_type",
        "binding:vif_details",
        "binding:profile",
        "trunk_details",
        *_JSON,
    ),
    where={
        "binding:host_id": ports.c.binding_host_id,
        "binding:vnic_type": ports.c.binding_vnic_type,
        "binding:vif_type": ports.c.binding_vif_type,
        "binding:vif_details": ports.c.binding_vif_details,
        "binding:profile": ports.c.binding_profile,
    },
    visible=sa.or_(
        base.own(ports),
        ports.c.network_id.in_(sa.select(network_table.c.id).where(base.own(network_table))),
    ),
    filters={**base.tag_filters(ports), "fixed_ips": _fixed_ips, "security_groups": _security_groups},
)
"""Visible are a project's own ports, and those on networks that it owns."""
load = SOURCE.load


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """Only the parent of a trunk has `trunk_details`."""
    for thing in things:
        if thing.trunk_details is None:
            thing.trunk_details = msgspec.UNSET


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for what does not fit, Conflict for a MAC or address in use or the quota."""
    owner = values["device_owner"]
    parent = networks.load(connection, values["network_id"], ctx)
    qos_policies.require_usable(connection, ctx, values.get("qos_policy_id"))
    if values.get("counted", True):
        quotas.require(network, connection, values["project_id"], "port")
    port_id = uuid_id()
    secured = values.get("port_security_enabled", parent.port_security_enabled and not owner.startswith("network:"))
    groups = _groups(network, connection, ctx, values, secured)
    port_values.check_pairs(network, values.get("allowed_address_pairs") or [], secured)
    mac = macs.choose(network, connection, parent.id, values.get("mac_address"))
    row = base.new_row(
        network,
        {
            "id": port_id,
            "project_id": values["project_id"],
            "network_id": parent.id,
            "mac_address": mac,
            "status": values.get("status", "DOWN"),
            "fixed_ips": "[]",
            "security_groups": base.to_json(groups),
            "allowed_address_pairs": base.to_json(port_values.pairs_of(values.get("allowed_address_pairs") or [], mac)),
            "extra_dhcp_opts": base.to_json(values.get("extra_dhcp_opts") or []),
            "dns_assignment": "[]",
            "revision_number": 1,
            "qos_network_policy_id": parent.qos_policy_id,
            "ip_allocation": "immediate",
            "propagate_uplink_status": values.get("propagate_uplink_status", True),
            **{key: values[key] for key in _PLAIN if key in values},
            "port_security_enabled": secured,
            **bindings.columns(network, connection, values, parent.id),
        },
    )
    _insert(connection, row)
    fixed = ipam.assign(connection, parent.id, port_id, mac, owner, values.get("fixed_ips"))
    changes = {
        "fixed_ips": base.to_json(fixed),
        "dns_assignment": base.to_json(port_values.names_of(network, values.get("dns_name", ""), fixed)),
    }
    connection.execute(_STORE_ADDRESSES, {"sought": port_id, **changes})
    _join_groups(network, connection, port_id, groups)
    network.touch("network", parent.id)
    network.touch("host", row["binding_host_id"])
    return port_id


def _require_own_device(ctx: Context, row: Row[Any], values: Values) -> None:
    """A port of a router, a DHCP server or a floating IP stays theirs. Raises Conflict."""
    if base.sees_everything(ctx) or not row.device_owner.startswith("network:"):
        return
    if any(values.get(key, getattr(row, key)) != getattr(row, key) for key in ("device_owner", "device_id")):
        raise conflict(
            "ServicePortInUse",
            f"Port {row.id} cannot be changed directly via the port API: has device owner {row.device_owner}.",
        )


def store_addresses(
    network: Network, connection: Connection, given: list[tuple[Row[Any], list[dict[str, str]]]]
) -> None:
    """Let ports show these addresses, whose allocation is the caller's affair."""
    if not given:
        return
    now = network.now()
    rows = [
        {
            "sought": port.id,
            "addresses": base.to_json(fixed),
            "names": base.to_json(port_values.names_of(network, port.dns_name, fixed)),
            "now": now,
        }
        for port, fixed in given
    ]
    connection.execute(_CHANGE_ADDRESSES, rows)
    for port, _ in given:
        touch(network, port)


_CHANGE_ADDRESSES = (
    sa.update(ports)
    .where(ports.c.id == sa.bindparam("sought"))
    .values(
        fixed_ips=sa.bindparam("addresses"),
        dns_assignment=sa.bindparam("names"),
        updated_at=sa.bindparam("now"),
        revision_number=ports.c.revision_number + 1,
    )
)
_STORE_ADDRESSES = (
    sa.update(ports)
    .where(ports.c.id == sa.bindparam("sought"))
    .values(fixed_ips=sa.bindparam("fixed_ips"), dns_assignment=sa.bindparam("dns_assignment"))
)


def _insert(connection: Connection, row: Values) -> None:
    """Raises Conflict where another writer took the MAC a moment ago."""
    try:
        connection.execute(sa.insert(ports), [row])
    except IntegrityError as error:
        if violates_unique(error):
            raise macs.in_use(row["network_id"], row["mac_address"]) from None
        raise


def create_internal(network: Network, connection: Connection, **values: Any) -> Row[Any]:
    """A port that the service itself needs (a router's, a floating IP's, DHCP's). Raises like `create`."""
    service = Context(roles=("admin", "service"), project_id=values.get("project_id") or "")
    defaults = {"project_id": "", "name": "", "description": "", "admin_state_up": True, "port_security_enabled": False}
    port_id = create(network, connection, service, {**defaults, **values})
    return load(connection, port_id)


def _groups(network: Network, connection: Connection, ctx: Context, values: Values, secured: bool) -> list[str]:
    given = values.get("security_groups")
    if given and not secured:
        raise bad_request(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            "PortSecurityAndIPRequiredForSecurityGroups",
        )
    if given is not None:
        security_groups.require_usable(connection, ctx, given)
        return list(given)
    if not secured:
        return []
    return [security_groups.ensure_default(network, connection, values["project_id"])]


def _join_groups(
    network: Network, connection: Connection, port_id: str, groups: list[str], before: list[str] | None = None
) -> None:
    """Let the port be in these groups; `before` are those it was in."""
    if before:
        connection.execute(sa.delete(port_security_groups).where(port_security_groups.c.port_id == port_id))
    network.touch("security_group", *groups, *(before or ()))
    if groups:
        rows = [{"port_id": port_id, "security_group_id": group} for group in groups]
        connection.execute(sa.insert(port_security_groups), rows)


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest or Conflict; a refused change leaves the port as it was."""
    owner = values.get("device_owner", row.device_owner)
    _require_own_device(ctx, row, values)
    changes: Values = {key: values[key] for key in _PLAIN if key in values}
    if changes.get("qos_policy_id") != row.qos_policy_id:
        qos_policies.require_usable(connection, ctx, changes.get("qos_policy_id"))
    secured = values.get("port_security_enabled", row.port_security_enabled)
    mac = macs.changed(network, connection, row, values)
    if mac != row.mac_address:
        changes["mac_address"] = mac
    groups = _changed_groups(connection, ctx, row, values, secured)
    if groups is not None:
        changes["security_groups"] = base.to_json(groups)
        _join_groups(network, connection, row.id, groups, base.from_json(row.security_groups))
    pairs = values.get("allowed_address_pairs", base.from_json(row.allowed_address_pairs)) or []
    port_values.check_pairs(network, pairs, secured)
    if "allowed_address_pairs" in values:
        changes["allowed_address_pairs"] = base.to_json(port_values.pairs_of(pairs, mac))
    fixed = base.from_json(row.fixed_ips)
    if "fixed_ips" in values and values["fixed_ips"] is not None:
        fixed = _changed_addresses(network, connection, row, values["fixed_ips"], mac, owner)
        changes["fixed_ips"] = base.to_json(fixed)
    if "fixed_ips" in changes or "dns_name" in values:
        changes["dns_assignment"] = base.to_json(
            port_values.names_of(network, values.get("dns_name", row.dns_name), fixed)
        )
    if "extra_dhcp_opts" in values:
        merged = port_values.merged_options(base.from_json(row.extra_dhcp_opts), values["extra_dhcp_opts"] or [])
        changes["extra_dhcp_opts"] = base.to_json(merged)
    changes |= bindings.changes(network, connection, row, values)
    base.change(network, connection, ports, row.id, **changes)
    if "fixed_ips" in changes or "mac_address" in changes or _has_other_groups(row, groups):
        notices.changed(network, connection, row)
    touch(network, row)
    network.touch("host", changes.get("binding_host_id", ""))


def _has_other_groups(row: Row[Any], groups: list[str] | None) -> bool:
    """A server shows the names of its ports' security groups."""
    return groups is not None and sorted(groups) != sorted(base.from_json(row.security_groups))


def touch(network: Network, row: Row[Any]) -> None:
    """What hosts must look at again when a port changes or goes: its network, its own host, the groups it is in."""
    network.touch("network", row.network_id)
    network.touch("host", row.binding_host_id)
    network.touch("security_group", *base.from_json(row.security_groups))


def _changed_groups(
    connection: Connection, ctx: Context, row: Row[Any], values: Values, secured: bool
) -> list[str] | None:
    """The new list of groups, None when it stays."""
    given = values.get("security_groups", ...)
    current = base.from_json(row.security_groups)
    if given is ...:
        if not secured and current:
            raise conflict(
                "PortSecurityPortHasSecurityGroup",
                "Port has security group associated. Cannot disable port security or IP address until security group "
                "is removed.",
            )
        return None
    wanted = list(given or [])
    if wanted and not secured:
        raise bad_request(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            "PortSecurityAndIPRequiredForSecurityGroups",
        )
    security_groups.require_usable(connection, ctx, wanted)
    return wanted


def _changed_addresses(
    network: Network, connection: Connection, row: Row[Any], wanted: list[Values], mac: str, owner: str
) -> list[dict[str, str]]:
    """Addresses that stay keep their rows; others are released before new ones are taken."""
    current = base.from_json(row.fixed_ips)
    free = list(current)
    kept: list[dict[str, str]] = []
    new: list[Values] = []
    for wish in sorted(wanted, key=lambda wish: not wish.get("ip_address")):  # any of a subnet is for who comes last
        match = next((entry for entry in free if _same(entry, wish)), None)
        if match is None:
            new.append(wish)
        else:
            free.remove(match)
            kept.append(match)
    given_up = [entry["ip_address"] for entry in free]
    floating_targets.lose_addresses(network, connection, row.id, given_up)
    if given_up:
        ipam.release(connection, row.id, given_up)
    added = ipam.assign(connection, row.network_id, row.id, mac, owner, new) if new else []
    return kept + [entry for entry in added if entry not in kept]


def _same(entry: dict[str, str], wish: Values) -> bool:
    if wish.get("ip_address"):
        return entry["ip_address"] == wish["ip_address"] and wish.get("subnet_id") in (None, entry["subnet_id"])
    return entry["subnet_id"] == wish.get("subnet_id")


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict for a router's or floating IP's port, a trunk's parent or subport."""
    _require_free(connection, row)
    floating_targets.lose_port(network, connection, row.id)
    remove(network, connection, row)


def _require_free(connection: Connection, row: Row[Any]) -> None:
    in_router = connection.execute(sa.select(router_ports.c.router_id).where(router_ports.c.port_id == row.id)).first()
    if in_router is not None or row.device_owner == "network:floatingip":
        raise conflict(
            "ServicePortInUse",
            f"Port {row.id} cannot be deleted directly via the port API: has device owner {row.device_owner}.",
        )
    trunk = connection.execute(sa.select(trunks.c.id).where(trunks.c.port_id == row.id)).scalar()
    if trunk is not None:
        raise conflict("PortInUseAsTrunkParent", f"Port {row.id} is currently a parent port for trunk {trunk}.")
    trunk = connection.execute(sa.select(trunk_subports.c.trunk_id).where(trunk_subports.c.port_id == row.id)).scalar()
    if trunk is not None:
        raise conflict("PortInUseAsSubPort", f"Port {row.id} is currently a subport for trunk {trunk}.")


def remove(network: Network, connection: Connection, *rows: Row[Any]) -> None:
    """Delete ports and all that hangs on them, without asking who needs them."""
    if not rows:
        return
    ids = [row.id for row in rows]
    for row in rows:
        touch(network, row)
    for table in (ip_allocations, port_security_groups, port_bindings, router_ports):
        connection.execute(sa.delete(table).where(table.c.port_id.in_(ids)))
    base.forget_tags(connection, *ids)
    connection.execute(sa.delete(ports).where(ports.c.id.in_(ids)))
    notices.deleted(network, connection, *rows)
