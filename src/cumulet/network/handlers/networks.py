"""`/v2.0/networks` (Networking API v2.0, Networks)."""

from __future__ import annotations

from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import (
    boolean,
    dictionary,
    dns_domain,
    empty_as_none,
    integer,
    list_of,
    optional,
    physical_network,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import networks

_TYPE = empty_as_none(text(32))
_PHYSICAL = empty_as_none(physical_network)
_NUMBER = empty_as_none(integer(0, 2**31 - 1))
_SEGMENT = dictionary(
    {
        "provider:network_type": _TYPE,
        "provider:physical_network": _PHYSICAL,
        "provider:segmentation_id": _NUMBER,
    },
    required=["provider:network_type"],
)
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "admin_state_up": Attribute(boolean, default=True),
    "status": read_only(),
    "subnets": read_only(filter=False, sort=False),
    "shared": Attribute(boolean, default=False, guarded=True),
    "router:external": Attribute(boolean, default=False, guarded=True),
    "mtu": Attribute(optional(integer(0, 2**31 - 1)), default=UNSET),
    "port_security_enabled": Attribute(boolean, default=True),
    "qos_policy_id": Attribute(empty_as_none(uuid_text), default=UNSET),
    "dns_domain": Attribute(dns_domain, default=""),
    "is_default": Attribute(boolean, default=False, guarded=True),
    "availability_zone_hints": Attribute(list_of(text(255)), default=list, put=False, filter=False, sort=False),
    "availability_zones": read_only(filter=False, sort=False),
    "ipv4_address_scope": read_only(),
    "ipv6_address_scope": read_only(),
    "provider:network_type": Attribute(_TYPE, default=UNSET, guarded=True, secret=True),
    "provider:physical_network": Attribute(_PHYSICAL, default=UNSET, guarded=True, secret=True),
    "provider:segmentation_id": Attribute(_NUMBER, default=UNSET, guarded=True, secret=True),
    "segments": Attribute(
        optional(list_of(_SEGMENT)), default=UNSET, guarded=True, secret=True, filter=False, sort=False
    ),
}
NOUN = Noun(
    "network",
    "networks",
    ATTRIBUTES,
    networks,
    dress=networks.dress,
    dressed=frozenset({"shared", "segments", *networks.PROVIDER}),
)
