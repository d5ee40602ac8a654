"""`/v2.0/subnets` (Networking API v2.0, Subnets)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute
from cumulet.network.checks import (
    Unconvertible,
    boolean,
    cidr_or_address,
    dictionary,
    integer,
    ip_address,
    ip_version,
    list_of,
    one_of,
    optional,
    subnet_cidr,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import networks, subnets
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_ROUTE = dictionary({"destination": cidr_or_address, "nexthop": ip_address}, required=["destination", "nexthop"])
_POOLS = list_of(dictionary({"start": ip_address, "end": ip_address}, required=["start", "end"]))


def _pools(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise Unconvertible("Invalid data format for allocation pools")
    pools: list[dict[str, str]] = _POOLS(value)
    return pools


_MODE = optional(one_of(["dhcpv6-stateful", "dhcpv6-stateless", "slaac"]))
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "network_id": Attribute(uuid_text, put=False),
    "segment_id": Attribute(optional(uuid_text), default=UNSET, guarded=True, secret=True),
    "ip_version": Attribute(ip_version, default=UNSET, put=False),
    "cidr": Attribute(optional(subnet_cidr), default=UNSET, put=False),
    "prefixlen": Attribute(integer(0, 128), default=UNSET, put=False, filter=False, sort=False),
    "subnetpool_id": Attribute(optional(text(36)), default=UNSET, put=False),
    "use_default_subnetpool": Attribute(boolean, default=False, put=False, filter=False, sort=False),
    "gateway_ip": Attribute(optional(ip_address), default=UNSET),
    "enable_dhcp": Attribute(boolean, default=True),
    "ipv6_ra_mode": Attribute(_MODE, default=UNSET, put=False),
    "ipv6_address_mode": Attribute(_MODE, default=UNSET, put=False),
    "allocation_pools": Attribute(
        _pools,
        default=UNSET,
        filter=False,
        sort=False,
    ),
    "dns_nameservers": Attribute(list_of(ip_address), default=list, filter=False, sort=False),
    "host_routes": Attribute(list_of(_ROUTE), default=list, filter=False, sort=False),
    "service_types": Attribute(list_of(text(255)), default=list, guarded=True, filter=False, sort=False),
    "dns_publish_fixed_ip": Attribute(boolean, default=False),
    "shared": Attribute(boolean, default=UNSET, post=False, put=False, sort=False),
    "router:external": Attribute(boolean, default=UNSET, post=False, put=False, sort=False),
}


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """Rules of subnets ask who owns the network."""
    owner = networks.standing(connection, target["network_id"], call.ctx, unseen="id" in target).owner
    target["network:tenant_id"] = target["network:project_id"] = owner


NOUN = Noun(
    "subnet",
    "subnets",
    ATTRIBUTES,
    subnets,
    enrich=_enrich,
    dress=subnets.dress,
    dressed=frozenset({"router:external"}),
)
