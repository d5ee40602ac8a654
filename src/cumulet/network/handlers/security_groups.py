"""`/v2.0/security-groups` and `/v2.0/security-group-rules` (Networking API v2.0, Security groups)."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.http import Call, Reply
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
from cumulet.network.domain import protocols, security_group_rules, security_groups
from cumulet.network.errors import bad_request
from cumulet.network.service import Network


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
    "remote_group_id": Attribute(empty_as_none(text(None)), default=None, put=False),
    "remote_address_group_id": Attribute(empty_as_none(uuid_text), default=None, put=False),
    "normalized_cidr": read_only(filter=False, sort=False),
    "belongs_to_default_sg": read_only(),
    "tags": read_only(filter=False, sort=False),
}


class _Groups(Noun):
    """A list of one's groups makes the project's default one first, as the original does."""

    def index(self, call: Call[Network], **params: str) -> Reply:
        if call.ctx.project_id:
            _ensure_default(call.service, call.ctx.project_id)
        return super().index(call, **params)


def _ensure_default(network: Network, project_id: str) -> None:
    with network.db.read() as connection:
        if security_groups.has_default(connection, project_id):
            return
    with network.write() as connection:
        security_groups.ensure_default(network, connection, project_id)


GROUPS = _Groups(
    "security_group",
    "security_groups",
    GROUP_ATTRIBUTES,
    security_groups,
    dress=security_groups.dress,
    dressed=frozenset({"security_group_rules", "shared"}),
)
RULES = Noun("security_group_rule", "security_group_rules", RULE_ATTRIBUTES, security_group_rules)
