"""`/v2.0/segments` and `/v2.0/network-segment-ranges` (Networking API v2.0, Segments, Network Segment Ranges)."""

from __future__ import annotations

from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import boolean, empty_as_none, integer, one_of, optional, physical_network, text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import network_segments, segment_ranges

_NUMBER = integer(0, 2**31 - 1)
SEGMENTS = Noun(
    "segment",
    "segments",
    {
        **ID,
        **STANDARD,
        **TAGS,
        "name": Attribute(optional(text(255)), default=None),
        "description": Attribute(optional(text(255)), default=None),
        "network_id": Attribute(uuid_text, put=False),
        "network_type": Attribute(text(32), put=False),
        "physical_network": Attribute(empty_as_none(physical_network), default=None, put=False),
        "segmentation_id": Attribute(optional(_NUMBER), default=None, put=False),
    },
    network_segments,
)
RANGES = Noun(
    "network_segment_range",
    "network_segment_ranges",
    {
        **ID,
        **PROJECT,
        **NAME,
        **STANDARD,
        **TAGS,
        "default": read_only(),
        "shared": Attribute(boolean, default=True, put=False),
        "network_type": Attribute(one_of(["vlan", "vxlan", "gre", "geneve"]), put=False),
        "physical_network": Attribute(empty_as_none(physical_network), default=UNSET, put=False),
        "minimum": Attribute(integer(1, 2**31 - 1)),
        "maximum": Attribute(integer(1, 2**31 - 1)),
        "used": read_only(filter=False, sort=False),
        "available": read_only(filter=False, sort=False),
    },
    segment_ranges,
    dress=segment_ranges.dress,
    dressed=frozenset({"used", "available"}),
)
