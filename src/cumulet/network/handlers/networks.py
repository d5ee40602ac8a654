"""`/v2.0/networks` (Networking API v2.0, Networks)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import (
    boolean,
    dictionary,
    empty_as_none,
    integer,
    list_of,
    optional,
    plain_text,
    text,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import base, networks
from cumulet.network.listing import Collection
from cumulet.network.service import Network
from cumulet.network.tables import networks as table
from cumulet.network.tables import rbac_policies

_TYPE = empty_as_none(text(32))
_PHYSICAL = empty_as_none(text(64))
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
    "dns_domain": Attribute(plain_text(255), default=""),
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
_COLUMNS = {
    "router:external": table.c.external,
    "provider:network_type": table.c.network_type,
    "provider:physical_network": table.c.physical_network,
    "provider:segmentation_id": table.c.segmentation_id,
}


def _dress(call: Call[Network], things: list[dict[str, Any]]) -> None:
    """`shared` is also true for a network that is shared with the caller's project alone; networks with several
    segments show `segments` instead of the provider attributes."""
    with call.service.db.read() as connection:
        mine = sa.select(rbac_policies.c.object_id).where(
            rbac_policies.c.object_type == "network",
            rbac_policies.c.action == "access_as_shared",
            rbac_policies.c.target_project == (call.ctx.project_id or ""),
        )
        shared = set(connection.execute(mine).scalars())
        several = [thing["id"] for thing in things if thing["provider:network_type"] is None]
        segments = networks.segments.of_networks(connection, several) if several else {}
    for thing in things:
        if thing["id"] in shared:
            thing["shared"] = True
        if thing["id"] in segments and len(segments[thing["id"]]) > 1:
            thing["segments"] = segments[thing["id"]]
            for key in networks.PROVIDER:
                thing.pop(key)


NOUN = Noun(
    Collection(
        name="network",
        plural="networks",
        attributes=ATTRIBUTES,
        table=table,
        view=networks.view,
        visible=networks.seen_by,
        columns=_COLUMNS,
        filters=base.tag_filters(table),
    ),
    networks,
    networks.missing,
    dress=_dress,
)
