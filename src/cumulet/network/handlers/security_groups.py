"""`/v2.0/security-groups` and `/v2.0/security-group-rules` (Networking API v2.0, Security groups)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, Attribute, read_only
from cumulet.network.checks import (
    Invalid,
    boolean,
    empty_as_none,
    integer,
    one_of,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import default_security_group_rules, protocols, security_group_rules, security_groups
from cumulet.network.errors import bad_request
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def _protocol(value: Any) -> str | None:
    if value is None or value == "":
        return None
    name = str(value).lower()
    if isinstance(value, bool | list | dict):
        raise Invalid(f"'{value}' is not a protocol")
    if name == "any":
        return None
    if name == "icmpv6":
        return "ipv6-icmp"
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


def _prefix(value: Any) -> str:
    """As it was given, host bits and all; an address alone is a network of one."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        network = ip_network(value, strict=False)
    except ValueError:
        raise bad_request(f"Invalid CIDR {value} given as IP prefix.", "InvalidCIDR") from None
    return value if "/" in value else str(network)


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
    "remote_ip_prefix": Attribute(empty_as_none(_prefix), default=None, put=False),
    "remote_group_id": Attribute(empty_as_none(text(None)), default=None, put=False),
    "remote_address_group_id": Attribute(empty_as_none(text(None)), default=None, put=False),
    "normalized_cidr": read_only(filter=False, sort=False),
    "belongs_to_default_sg": read_only(),
}


DEFAULT_RULE_ATTRIBUTES = {
    **ID,
    "description": Attribute(text(255), default="", put=False),
    **{key: RULE_ATTRIBUTES[key] for key in security_group_rules.MEANING},
    "used_in_default_sg": Attribute(boolean, default=False, put=False),
    "used_in_non_default_sg": Attribute(boolean, default=True, put=False),
}
DEFAULT_RULES = Noun(
    "default_security_group_rule",
    "default_security_group_rules",
    DEFAULT_RULE_ATTRIBUTES,
    default_security_group_rules,
)


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


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """Rules of a group are its owner's."""
    owner = security_groups.owner_of(connection, target.get("security_group_id"))
    if owner is None:
        raise security_groups.missing(str(target.get("security_group_id")))
    target["security_group:tenant_id"] = target["security_group:project_id"] = owner


RULES = Noun("security_group_rule", "security_group_rules", RULE_ATTRIBUTES, security_group_rules, enrich=_enrich)
