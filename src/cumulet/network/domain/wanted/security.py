"""Security groups of the ports on a host, and the addresses that their rules mean by a group's name."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network import tables
from cumulet.network.domain import base, protocols
from cumulet.network.domain.wanted.host import Host, rows_in

_RULE: Final = (
    "id",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)


def objects(connection: Connection, host: Host) -> dict[str, dict[str, Any]]:
    lists = {port.security_groups for port in host.ports if port.port_security_enabled}
    used = {group for text in lists for group in base.from_json(text)}
    groups = rows_in(connection, tables.security_groups, "id", used)
    rules = rows_in(connection, tables.security_group_rules, "security_group_id", used)
    remote = {rule.remote_group_id for rule in rules if rule.remote_group_id}
    named = {rule.remote_address_group_id for rule in rules if rule.remote_address_group_id}
    host.groups.update(used | remote)
    host.address_groups.update(named)
    of_group: dict[str, list[dict[str, Any]]] = {}
    for rule in sorted(rules, key=lambda row: row.id):
        of_group.setdefault(rule.security_group_id, []).append(_rule(rule))
    return {
        "security_groups": {
            row.id: {"id": row.id, "stateful": row.stateful, "rules": of_group.get(row.id, [])} for row in groups
        },
        "address_sets": _members(connection, remote) | _address_groups(connection, named),
    }


def _rule(row: Row[Any]) -> dict[str, Any]:
    return {**{key: getattr(row, key) for key in _RULE}, "protocol": protocols.number(row.protocol)}


def _members(connection: Connection, group_ids: set[str]) -> dict[str, Any]:
    """For each remote group the fixed addresses and allowed address pairs of the ports in it."""
    addresses: dict[str, set[str]] = {group_id: set() for group_id in group_ids}
    members, ports = tables.port_security_groups, tables.ports
    for some in base.chunks(sorted(group_ids)):
        query = (
            sa.select(members.c.security_group_id, ports.c.fixed_ips, ports.c.allowed_address_pairs)
            .join(ports, ports.c.id == members.c.port_id)
            .where(members.c.security_group_id.in_(some))
        )
        for group_id, fixed, pairs in connection.execute(query).all():
            found = addresses[group_id]
            found.update(entry["ip_address"] for entry in base.from_json(fixed))
            if pairs != "[]":
                found.update(pair["ip_address"] for pair in base.from_json(pairs))
    return {group_id: _set(group_id, found) for group_id, found in addresses.items()}


def _address_groups(connection: Connection, ids: set[str]) -> dict[str, Any]:
    rows = rows_in(connection, tables.address_groups, "id", ids)
    return {row.id: _set(row.id, base.from_json(row.addresses)) for row in rows}


def _set(identifier: str, addresses: Any) -> dict[str, Any]:
    return {"id": identifier, "addresses": sorted(addresses)}
