"""`/v2.0/subnets` (Networking API v2.0, Subnets)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute
from cumulet.network.checks import (
    anything,
    boolean,
    cidr,
    cidr_or_address,
    dictionary,
    integer,
    ip_address,
    list_of,
    one_of,
    optional,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import base, subnets
from cumulet.network.listing import Collection
from cumulet.network.service import Network
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import subnets as table

_ROUTE = dictionary({"destination": cidr_or_address, "nexthop": ip_address}, required=["destination", "nexthop"])
_MODE = optional(one_of(["dhcpv6-stateful", "dhcpv6-stateless", "slaac"]))
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "network_id": Attribute(uuid_text, put=False),
    "segment_id": Attribute(optional(uuid_text), default=UNSET, guarded=True),
    "ip_version": Attribute(one_of([4, 6]), default=UNSET, put=False),
    "cidr": Attribute(optional(cidr), default=UNSET, put=False),
    "prefixlen": Attribute(integer(0, 128), default=UNSET, put=False, filter=False, sort=False),
    "subnetpool_id": Attribute(optional(text(36)), default=UNSET, put=False),
    "use_default_subnetpool": Attribute(boolean, default=False, put=False, filter=False, sort=False),
    "gateway_ip": Attribute(optional(ip_address), default=UNSET),
    "enable_dhcp": Attribute(boolean, default=True),
    "ipv6_ra_mode": Attribute(_MODE, default=UNSET, put=False),
    "ipv6_address_mode": Attribute(_MODE, default=UNSET, put=False),
    "allocation_pools": Attribute(
        list_of(dictionary({"start": anything, "end": anything}, required=["start", "end"])),
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


def _of_networks(condition: sa.ColumnElement[bool], values: list[str]) -> sa.ColumnElement[bool]:
    found = sa.select(network_table.c.id).where(condition)
    inside = table.c.network_id.in_(found)
    wanted = {value.lower() in ("true", "1", "yes") for value in values}
    return inside if wanted == {True} else sa.not_(inside) if wanted == {False} else sa.true()


def _dress(call: Call[Network], things: list[dict[str, Any]]) -> None:
    """Whether the network is external or shared is said of its subnets too."""
    ids = {thing["network_id"] for thing in things}
    if not ids:
        return
    with call.service.db.read() as connection:
        external = set(
            connection.execute(
                sa.select(network_table.c.id).where(network_table.c.id.in_(ids), network_table.c.external)
            ).scalars()
        )
    for thing in things:
        thing["router:external"] = thing["network_id"] in external


NOUN = Noun(
    Collection(
        name="subnet",
        plural="subnets",
        attributes=ATTRIBUTES,
        table=table,
        view=subnets.view,
        visible=subnets.seen_by,
        filters={
            **base.tag_filters(table),
            "shared": lambda values: _of_networks(network_table.c.shared, values),
            "router:external": lambda values: _of_networks(network_table.c.external, values),
        },
    ),
    subnets,
    subnets.missing,
    dress=_dress,
)
