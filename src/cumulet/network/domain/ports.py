"""Ports: a MAC, its addresses, its security groups and the host it is bound to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import Conflict, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import base, bindings, ipam, networks, quotas, security_groups
from cumulet.network.domain.source import Condition, Source, Thing
from cumulet.network.errors import bad_request, conflict, forbidden
from cumulet.network.service import Network
from cumulet.network.tables import (
    floating_ips,
    ip_allocations,
    port_bindings,
    port_forwardings,
    port_security_groups,
    ports,
    router_ports,
    trunk_subports,
    trunks,
)
from cumulet.network.tables import networks as network_table

AUTOMATIC: Final = frozenset({"network:dhcp", "network:distributed", "network:routed", "network:local_ip"})
"""Owners whose ports go with their network."""
_MAC_TRIES: Final = 16
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
            raise bad_request(f"Invalid input for fixed_ips. Reason: '{value}' is not a filter of fixed ips.")
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
    if owner.startswith("network:") and not base.sees_everything(ctx):
        raise forbidden("rule:create_port and rule:create_port:device_owner")
    parent = networks.load(connection, values["network_id"], ctx)
    quotas.require(network, connection, values["project_id"], "port")
    port_id = uuid_id()
    secured = values.get("port_security_enabled", parent.port_security_enabled and not owner.startswith("network:"))
    groups = _groups(network, connection, ctx, values, secured)
    _check_pairs(network, values.get("allowed_address_pairs") or [], secured)
    mac = values.get("mac_address")
    row = base.new_row(
        network,
        {
            "id": port_id,
            "project_id": values["project_id"],
            "network_id": parent.id,
            "mac_address": mac or "",
            "status": "DOWN",
            "fixed_ips": "[]",
            "security_groups": base.to_json(groups),
            "extra_dhcp_opts": base.to_json(values.get("extra_dhcp_opts") or []),
            "hints": "{}",
            "dns_assignment": "[]",
            "revision_number": 1,
            "qos_network_policy_id": parent.qos_policy_id,
            "ip_allocation": "immediate",
            "propagate_uplink_status": values.get("propagate_uplink_status", True),
            **{key: values[key] for key in _PLAIN if key in values},
            "port_security_enabled": secured,
            **bindings.columns(network, connection, values, owner),
        },
    )
    row["mac_address"] = _insert_with_mac(network, connection, row, mac)
    pairs = _pairs(values.get("allowed_address_pairs") or [], row["mac_address"])
    fixed = ipam.assign(connection, parent.id, port_id, row["mac_address"], owner, values.get("fixed_ips"))
    changes = {
        "fixed_ips": base.to_json(fixed),
        "allowed_address_pairs": base.to_json(pairs),
        "dns_assignment": base.to_json(_dns(network, values.get("dns_name", ""), fixed)),
    }
    connection.execute(sa.update(ports).where(ports.c.id == port_id).values(**changes))
    _join_groups(connection, port_id, groups)
    return port_id


def create_internal(network: Network, connection: Connection, **values: Any) -> Row[Any]:
    """A port that the service itself needs (a router's, a floating IP's, DHCP's). Raises like `create`."""
    service = Context(roles=("admin", "service"), project_id=values.get("project_id") or "")
    defaults = {"project_id": "", "name": "", "description": "", "admin_state_up": True, "port_security_enabled": False}
    port_id = create(network, connection, service, {**defaults, **values})
    return load(connection, port_id)


def _insert_with_mac(network: Network, connection: Connection, row: Values, mac: str | None) -> str:
    """Insert the port under a MAC that is new in its network. Raises Conflict for a given one in use."""
    for _ in range(_MAC_TRIES):
        candidate = mac or _random_mac(network)
        taken = sa.select(ports.c.id).where(ports.c.network_id == row["network_id"], ports.c.mac_address == candidate)
        if connection.execute(taken).first() is None:
            connection.execute(
                sa.insert(ports).values(**{**row, "mac_address": candidate, "allowed_address_pairs": "[]"})
            )
            return candidate
        if mac is not None:
            raise conflict(
                "MacAddressInUse",
                f"Unable to complete operation for network {row['network_id']}. The mac address {mac} is in use.",
            )
    raise Conflict(f"Unable to generate unique mac on network {row['network_id']}.", code="MacAddressGenerationFailure")


def _random_mac(network: Network) -> str:
    """`base_mac`'s first bytes (four when its fourth is set) and random ones."""
    fixed = network.conf.base_mac.split(":")
    kept = 4 if fixed[3] != "00" else 3
    return ":".join([*fixed[:kept], *(f"{random.randrange(256):02x}" for _ in range(6 - kept))])


def _groups(network: Network, connection: Connection, ctx: Context, values: Values, secured: bool) -> list[str]:
    given = values.get("security_groups")
    if given and not secured:
        raise conflict(
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        )
    if given is not None:
        security_groups.require_usable(connection, ctx, given)
        return list(given)
    if not secured:
        return []
    return [security_groups.ensure_default(network, connection, values["project_id"])]


def _join_groups(connection: Connection, port_id: str, groups: list[str]) -> None:
    connection.execute(sa.delete(port_security_groups).where(port_security_groups.c.port_id == port_id))
    if groups:
        rows = [{"port_id": port_id, "security_group_id": group} for group in groups]
        connection.execute(sa.insert(port_security_groups), rows)


def _check_pairs(network: Network, pairs: list[Values], secured: bool) -> None:
    if pairs and not secured:
        raise conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )
    if len(pairs) > network.conf.max_allowed_address_pair:
        raise bad_request(
            f"The number of allowed address pair exceeds the maximum {network.conf.max_allowed_address_pair}.",
            "AllowedAddressPairExhausted",
        )


def _pairs(pairs: list[Values], mac: str) -> list[Values]:
    return [{"ip_address": pair["ip_address"], "mac_address": pair.get("mac_address") or mac} for pair in pairs]


def _dns(network: Network, name: str, fixed: list[dict[str, str]]) -> list[dict[str, str]]:
    """What a guest's addresses are called: the port's name, or `host-10-0-0-4` without one."""
    domain = network.conf.dns_domain.rstrip(".") + "."
    found = []
    for entry in fixed:
        address = entry["ip_address"]
        host = name or "host-" + address.replace(".", "-").replace(":", "-")
        found.append({"hostname": host, "ip_address": address, "fqdn": f"{host}.{domain}"})
    return found


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises BadRequest, Conflict or Forbidden; a refused change leaves the port as it was."""
    owner = values.get("device_owner", row.device_owner)
    if owner != row.device_owner and owner.startswith("network:") and not base.sees_everything(ctx):
        raise forbidden("rule:update_port and rule:update_port:device_owner")
    changes: Values = {key: values[key] for key in _PLAIN if key in values}
    secured = values.get("port_security_enabled", row.port_security_enabled)
    mac = _changed_mac(connection, row, values)
    if mac != row.mac_address:
        changes["mac_address"] = mac
    groups = _changed_groups(connection, ctx, row, values, secured)
    if groups is not None:
        changes["security_groups"] = base.to_json(groups)
        _join_groups(connection, row.id, groups)
    pairs = values.get("allowed_address_pairs", base.from_json(row.allowed_address_pairs)) or []
    _check_pairs(network, pairs, secured)
    if "allowed_address_pairs" in values:
        changes["allowed_address_pairs"] = base.to_json(_pairs(pairs, mac))
    fixed = base.from_json(row.fixed_ips)
    if "fixed_ips" in values and values["fixed_ips"] is not None:
        fixed = _changed_addresses(connection, row, values["fixed_ips"], mac, owner)
        changes["fixed_ips"] = base.to_json(fixed)
    if "fixed_ips" in changes or "dns_name" in values:
        changes["dns_assignment"] = base.to_json(_dns(network, values.get("dns_name", row.dns_name), fixed))
    if "extra_dhcp_opts" in values:
        merged = _merged_options(base.from_json(row.extra_dhcp_opts), values["extra_dhcp_opts"] or [])
        changes["extra_dhcp_opts"] = base.to_json(merged)
    changes |= bindings.changes(network, connection, row, values, owner)
    base.change(network, connection, ports, row.id, **changes)


def _changed_mac(connection: Connection, row: Row[Any], values: Values) -> str:
    mac = values.get("mac_address")
    if mac is None or mac == row.mac_address:
        return str(row.mac_address)
    if row.binding_host_id and row.binding_vif_type not in ("unbound", "binding_failed"):
        raise conflict(
            "PortBound",
            f"Unable to complete operation on port {row.id}, port is already bound, port type: "
            f"{row.binding_vif_type}, old_mac {row.mac_address}, new_mac {mac}.",
        )
    taken = sa.select(ports.c.id).where(ports.c.network_id == row.network_id, ports.c.mac_address == mac)
    if connection.execute(taken).first() is not None:
        raise conflict(
            "MacAddressInUse",
            f"Unable to complete operation for network {row.network_id}. The mac address {mac} is in use.",
        )
    return str(mac)


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
                "Port has security group associated. Cannot disable port security or ip address until security group "
                "is removed.",
            )
        return None
    wanted = list(given or [])
    if wanted and not secured:
        raise conflict(
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        )
    security_groups.require_usable(connection, ctx, wanted)
    return wanted


def _changed_addresses(
    connection: Connection, row: Row[Any], wanted: list[Values], mac: str, owner: str
) -> list[dict[str, str]]:
    """Addresses that stay keep their rows; others are released before new ones are taken."""
    current = base.from_json(row.fixed_ips)
    free = list(current)
    kept: list[dict[str, str]] = []
    new: list[Values] = []
    for wish in wanted:
        match = next((entry for entry in free if _same(entry, wish)), None)
        if match is None:
            new.append(wish)
        else:
            free.remove(match)
            kept.append(match)
    _require_not_floating(connection, row.id, [entry["ip_address"] for entry in free])
    ipam.release(connection, row.id, [entry["ip_address"] for entry in free])
    added = ipam.assign(connection, row.network_id, row.id, mac, owner, new) if new else []
    return kept + [entry for entry in added if entry not in kept]


def _same(entry: dict[str, str], wish: Values) -> bool:
    if wish.get("ip_address"):
        return entry["ip_address"] == wish["ip_address"] and wish.get("subnet_id") in (None, entry["subnet_id"])
    return entry["subnet_id"] == wish.get("subnet_id")


def _require_not_floating(connection: Connection, port_id: str, addresses: list[str]) -> None:
    """A floating IP loses its target together with the address: it is disassociated, as by the original."""
    if addresses:
        mine = sa.and_(floating_ips.c.port_id == port_id, floating_ips.c.fixed_ip_address.in_(addresses))
        cleared = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
        connection.execute(sa.update(floating_ips).where(mine).values(**cleared))


def _merged_options(current: list[Values], given: list[Values]) -> list[Values]:
    """Options by name and version: a value of null takes one away, others stay."""
    merged = {(option["opt_name"], option["ip_version"]): option for option in current}
    for option in given:
        key = (option["opt_name"], option["ip_version"])
        if option["opt_value"] is None:
            merged.pop(key, None)
        else:
            merged[key] = option
    return list(merged.values())


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict for a router's or floating IP's port, a trunk's parent or subport."""
    _require_free(connection, row)
    detach_floating_ips(connection, row.id)
    remove(connection, row.id)


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


def detach_floating_ips(connection: Connection, port_id: str) -> None:
    """Floating IPs and port forwardings that lead to the port end with it."""
    cleared = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
    connection.execute(sa.update(floating_ips).where(floating_ips.c.port_id == port_id).values(**cleared))
    owners = sa.select(port_forwardings.c.floatingip_id).where(port_forwardings.c.internal_port_id == port_id)
    affected = list(connection.execute(owners.distinct()).scalars())
    if not affected:
        return
    connection.execute(sa.delete(port_forwardings).where(port_forwardings.c.internal_port_id == port_id))
    for floating_id in affected:
        refresh_forwardings(connection, floating_id)


def refresh_forwardings(connection: Connection, floating_id: str) -> None:
    """Bring the floating IP's own copy of its forwardings up to date (extension floating-ip-port-forwarding)."""
    table = port_forwardings
    rows = connection.execute(sa.select(table).where(table.c.floatingip_id == floating_id).order_by(table.c.created_at))
    shown = [
        {
            "protocol": row.protocol,
            "internal_ip_address": row.internal_ip_address,
            "internal_port": row.internal_port,
            "internal_port_range": row.internal_port_range,
            "internal_port_id": row.internal_port_id,
            "external_port": row.external_port,
            "external_port_range": row.external_port_range,
            "id": row.id,
            "description": row.description,
        }
        for row in rows
    ]
    values: Values = {"port_forwardings": base.to_json(shown)}
    if not shown:
        values |= {"router_id": None, "status": "DOWN"}
    connection.execute(sa.update(floating_ips).where(floating_ips.c.id == floating_id).values(**values))


def remove(connection: Connection, *ids: str) -> None:
    """Delete ports and all that hangs on them, without asking who needs them."""
    if not ids:
        return
    for table in (ip_allocations, port_security_groups, port_bindings, router_ports):
        connection.execute(sa.delete(table).where(table.c.port_id.in_(ids)))
    base.forget_tags(connection, *ids)
    connection.execute(sa.delete(ports).where(ports.c.id.in_(ids)))
