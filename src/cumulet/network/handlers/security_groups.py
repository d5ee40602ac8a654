"""`/v2.0/security-groups` and `/v2.0/security-group-rules` (Networking API v2.0, Security groups)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, Attribute, read_only
from cumulet.network.checks import (
    Invalid,
    boolean,
    cidr_or_address,
    empty_as_none,
    integer,
    one_of,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import base, protocols, security_group_rules, security_groups
from cumulet.network.errors import bad_request
from cumulet.network.listing import Collection
from cumulet.network.service import Network
from cumulet.network.tables import security_group_rules as rule_table
from cumulet.network.tables import security_groups as table


def _protocol(value: Any) -> str | None:
    if value is None or value == "":
        return None
    name = str(value).lower()
    if isinstance(value, bool | list | dict):
        raise Invalid(f"'{value}' is not a protocol")
    if name == "any":
        return None
    if name in protocols.NUMBERS or (name.isdigit() and int(name) <= 255):
        return name
    raise bad_request(
        f"Security group rule protocol {value} not supported. Only protocol values "
        f"{sorted(protocols.NUMBERS)} and integer representations [0 to 255] are supported.",
        "SecurityGroupRuleInvalidProtocol",
    )


def _ethertype(value: Any) -> str:
    known = {"ipv4": "IPv4", "ipv6": "IPv6"}
    if not isinstance(value, str) or value.lower() not in known:
        raise bad_request(
            f"Security group rule for ethertype '{value}' not supported. Allowed values are ['IPv4', 'IPv6'].",
            "SecurityGroupRuleInvalidEtherType",
        )
    return known[value.lower()]


def _port(value: Any) -> int | None:
    try:
        return None if value is None or value == "" else int(integer()(value))
    except Invalid:
        raise bad_request(f"Invalid value for port {value}", "SecurityGroupInvalidPortValue") from None


GROUP_ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "stateful": Attribute(boolean, default=True),
    "security_group_rules": read_only(filter=False, sort=False),
    "shared": read_only(sort=False),
}
RULE_ATTRIBUTES = {
    **ID,
    **PROJECT,
    **STANDARD,
    "description": Attribute(text(255), default=""),
    "security_group_id": Attribute(uuid_text, put=False),
    "direction": Attribute(one_of(["ingress", "egress"]), put=False),
    "ethertype": Attribute(_ethertype, default="IPv4", put=False),
    "protocol": Attribute(_protocol, default=None, put=False),
    "port_range_min": Attribute(_port, default=None, put=False),
    "port_range_max": Attribute(_port, default=None, put=False),
    "remote_ip_prefix": Attribute(empty_as_none(cidr_or_address), default=None, put=False),
    "remote_group_id": Attribute(empty_as_none(uuid_text), default=None, put=False),
    "remote_address_group_id": Attribute(empty_as_none(uuid_text), default=None, put=False),
    "normalized_cidr": read_only(filter=False, sort=False),
    "belongs_to_default_sg": read_only(),
    "tags": read_only(filter=False, sort=False),
}


def _dress(call: Call[Network], things: list[dict[str, Any]]) -> None:
    """Rules are shown with their group; `shared` also when it is with the caller's project alone."""
    ids = [thing["id"] for thing in things]
    with call.service.db.read() as connection:
        rules = security_group_rules.of_groups(connection, ids)
        shared = set(connection.execute(base.shared_with(call.ctx, "security_group")).scalars())
    for thing in things:
        thing["security_group_rules"] = rules[thing["id"]]
        thing["shared"] = thing["id"] in shared


class _Groups(Noun):
    """A list of one's groups makes the project's default one first, as the original does."""

    def index(self, call: Call[Network]) -> Any:
        if call.ctx.project_id:
            _ensure_default(call.service, call.ctx.project_id)
        return super().index(call)


def _ensure_default(network: Network, project_id: str) -> None:
    known = security_groups.default_security_groups
    query = sa.select(known.c.security_group_id).where(known.c.project_id == project_id)
    with network.db.read() as connection:
        if connection.execute(query).first() is not None:
            return
    with network.db.write() as connection:
        security_groups.ensure_default(network, connection, project_id)


def _shared(values: list[str]) -> sa.ColumnElement[bool]:
    policies = security_groups.rbac_policies
    open_to_all = sa.select(policies.c.object_id).where(
        policies.c.object_type == "security_group", policies.c.action == "access_as_shared"
    )
    inside = table.c.id.in_(open_to_all)
    wanted = {value.lower() in ("true", "1") for value in values}
    return inside if wanted == {True} else sa.not_(inside) if wanted == {False} else sa.true()


GROUPS = _Groups(
    Collection(
        name="security_group",
        plural="security_groups",
        attributes=GROUP_ATTRIBUTES,
        table=table,
        view=security_groups.view,
        visible=security_groups.seen_by,
        filters={**base.tag_filters(table), "shared": _shared},
    ),
    security_groups,
    security_groups.missing,
    dress=_dress,
)
RULES = Noun(
    Collection(
        name="security_group_rule",
        plural="security_group_rules",
        attributes=RULE_ATTRIBUTES,
        table=rule_table,
        view=security_group_rules.view,
        visible=base.own(rule_table),
    ),
    security_group_rules,
    security_group_rules.missing,
)
