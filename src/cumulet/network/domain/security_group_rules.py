"""Rules of security groups: what is let in and out, checked for sense before it is stored."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.context import Context
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain import address_groups, base, protocols, quotas, security_groups
from cumulet.network.domain.source import Shown, Source, Thing
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import default_security_group_rules
from cumulet.network.tables import security_group_rules as table
from cumulet.network.tables import security_groups as groups_table

MEANING: Final = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)
_STANDARD: Final = tuple(name for name in base.STANDARD if name != "tags")
PARENT: Final = "PARENT"
"""In a default rule: the group the rule is made for."""


def missing(identifier: str) -> NotFound:
    return NotFound(f"Security group rule {identifier} does not exist", code="SecurityGroupRuleNotFound")


def normalized(prefix: str) -> str:
    """The prefix without host bits (extension security-groups-normalized-cidr)."""
    return str(ip_network(prefix, strict=False))


SOURCE = Source(
    table,
    missing,
    (
        *(name for name in base.STANDARD if name != "tags"),
        "security_group_id",
        *MEANING,
        "normalized_cidr",
        "belongs_to_default_sg",
    ),
    where={"normalized_cidr": Shown(table.c.remote_ip_prefix, normalized)},
    visible=sa.or_(
        base.own(table),
        table.c.security_group_id.in_(sa.select(groups_table.c.id).where(base.own(groups_table))),
    ),
)


def of_groups(connection: Connection, group_ids: list[str]) -> dict[str, list[Thing]]:
    """The rules of groups, for showing them with their group."""
    found: dict[str, list[Thing]] = {group_id: [] for group_id in group_ids}
    for ids in base.chunks(group_ids):
        inside = table.c.security_group_id.in_(ids)
        for rule in SOURCE.select(connection, inside, table.c.created_at, table.c.id):
            found[rule.security_group_id].append(rule)
    return found


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for a rule that makes no sense, NotFound for groups, Conflict for one that exists."""
    group = security_groups.load(connection, values["security_group_id"], ctx)
    check(values)
    if values.get("remote_group_id"):
        security_groups.require_usable(connection, ctx, [values["remote_group_id"]])
    if values.get("remote_address_group_id"):
        address_groups.SOURCE.load(connection, values["remote_address_group_id"], ctx)
    quotas.require(network, connection, values["project_id"], "security_group_rule")
    rule_id = _insert(network, connection, values, group.name == "default")
    base.change(network, connection, groups_table, group.id)
    network.touch("security_group", group.id)
    return rule_id


def _insert(network: Network, connection: Connection, values: Values, in_default: bool) -> str:
    meaning = {key: values.get(key) for key in MEANING}
    row = base.new_row(
        network,
        {
            "id": uuid_id(),
            "project_id": values["project_id"],
            "description": values.get("description") or "",
            "security_group_id": values["security_group_id"],
            **meaning,
            "belongs_to_default_sg": in_default,
            "signature": _signature(meaning),
        },
    )
    existing = connection.execute(_SAME, {"group": row["security_group_id"], "meaning": row["signature"]}).scalar()
    if existing is not None:
        raise _exists(existing)
    try:
        base.insert(connection, table, row)
    except IntegrityError as error:
        if violates_unique(error):
            raise _exists("being created") from None
        raise
    return str(row["id"])


_SAME = sa.select(table.c.id).where(
    table.c.security_group_id == sa.bindparam("group"), table.c.signature == sa.bindparam("meaning")
)


def _exists(rule_id: str) -> Exception:
    return conflict("SecurityGroupRuleExists", f"Security group rule already exists. Rule id is {rule_id}.")


def _signature(meaning: Values) -> str:
    """Equal for rules that mean the same, however protocol and prefix are written."""
    canonical = {
        **meaning,
        "protocol": protocols.number(meaning["protocol"]),
        "remote_ip_prefix": _everything_is_none(meaning["remote_ip_prefix"]),
    }
    return hashlib.sha256(base.to_json([canonical[key] for key in MEANING]).encode()).hexdigest()


def _everything_is_none(prefix: str | None) -> str | None:
    return None if prefix is None or normalized(prefix) in ("0.0.0.0/0", "::/0") else normalized(prefix)


def check(values: Values) -> None:
    """Whether direction, protocol, ports and remote fit together. Raises BadRequest."""
    ethertype, protocol = values["ethertype"], values.get("protocol")
    remotes = ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")
    if sum(values.get(key) is not None for key in remotes) > 1:
        raise bad_request(
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            "SecurityGroupMultipleRemoteEntites",
        )
    prefix = values.get("remote_ip_prefix")
    if prefix is not None and ip_network(prefix, strict=False).version != (4 if ethertype == "IPv4" else 6):
        raise bad_request(
            f"Conflicting value ethertype {ethertype} for CIDR {prefix}", "SecurityGroupRuleParameterConflict"
        )
    if protocol in protocols.ONLY_IPV6 and ethertype == "IPv4":
        raise bad_request(
            f"Invalid ethertype {ethertype} for protocol {protocol}.", "SecurityGroupEthertypeConflictWithProtocol"
        )
    _check_ports(values, protocol)


def _check_ports(values: Values, protocol: str | None) -> None:
    low, high = values.get("port_range_min"), values.get("port_range_max")
    if low is None and high is None:
        return
    number = protocols.number(protocol)
    if number is None:
        raise bad_request(
            "Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts"
        )
    if number in protocols.ICMP:
        _check_icmp(low, high)
    elif number in protocols.WITH_PORTS:
        for port in (low, high):
            if port is not None and not 1 <= port <= 65535:
                raise bad_request(f"Invalid value for port {port}", "SecurityGroupInvalidPortValue")
        if low is None or high is None or low > high:
            raise bad_request(
                "For TCP/UDP protocols, port_range_min must be <= port_range_max", "SecurityGroupInvalidPortRange"
            )
    else:
        raise bad_request(
            f"Ports cannot be specified for protocol {number}. Ports are only supported for DCCP, SCTP, TCP, UDP, "
            "UDPLITE.",
            "SecurityGroupInvalidProtocolForPort",
        )


def _check_icmp(kind: int | None, code: int | None) -> None:
    for attribute, name, value in (("port_range_min", "type", kind), ("port_range_max", "code", code)):
        if value is not None and not 0 <= value <= 255:
            raise bad_request(
                f"Invalid value for ICMP {name} ({attribute}) {value}. It must be 0 to 255.",
                "SecurityGroupInvalidIcmpValue",
            )
    if kind is None:
        raise bad_request(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.",
            "SecurityGroupMissingIcmpType",
        )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Only the description changes; anything else would be another rule."""
    base.change(network, connection, table, row.id, **values)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    connection.execute(sa.delete(table).where(table.c.id == row.id))
    base.change(network, connection, groups_table, row.security_group_id)
    network.touch("security_group", row.security_group_id)


def add_defaults(network: Network, connection: Connection, project_id: str, group_id: str, *, is_default: bool) -> None:
    """The rules a new group starts with: the cloud's default rules for that kind of group."""
    defaults = default_security_group_rules
    used = defaults.c.used_in_default_sg if is_default else defaults.c.used_in_non_default_sg
    query = sa.select(defaults).where(used).order_by(defaults.c.created_at, defaults.c.id)
    for row in connection.execute(query).all():
        values = {key: getattr(row, key) for key in MEANING}
        if values["remote_group_id"] == PARENT:
            values["remote_group_id"] = group_id
        values |= {"project_id": project_id, "security_group_id": group_id, "description": row.description}
        _insert(network, connection, values, is_default)
