"""`/v2.0/routers/{id}/conntrack_helpers` (Networking API v2.0, Router conntrack helper)."""

from __future__ import annotations

from cumulet.network.attributes import ID, Attribute
from cumulet.network.checks import integer, one_of, plain_text
from cumulet.network.crud import Noun
from cumulet.network.domain import conntrack_helpers
from cumulet.network.handlers import routers

NOUN = Noun(
    "conntrack_helper",
    "conntrack_helpers",
    {
        **ID,
        "protocol": Attribute(one_of(["dccp", "icmp", "ipv6-icmp", "sctp", "tcp", "udp"])),
        "port": Attribute(integer(1, 65535)),
        "helper": Attribute(plain_text(64)),
    },
    conntrack_helpers,
    rule="router_conntrack_helper",
    parent=routers.NOUN,
    parent_key="router_id",
)
