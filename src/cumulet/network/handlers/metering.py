"""`/v2.0/metering/…` (Networking API v2.0, Metering labels and rules)."""

from __future__ import annotations

from cumulet.network.attributes import ID, NAME, PROJECT, UNSET, Attribute
from cumulet.network.checks import boolean, cidr_or_address, empty_as_none, one_of, text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain.metering import Labels, Rules

_PREFIX = Attribute(empty_as_none(cidr_or_address), default=UNSET, put=False)
LABELS = Noun(
    "metering_label",
    "metering_labels",
    {
        **ID,
        **PROJECT,
        **NAME,
        "description": Attribute(text(255), default=""),
        "shared": Attribute(boolean, default=False, put=False),
    },
    Labels(),
)
RULES = Noun(
    "metering_label_rule",
    "metering_label_rules",
    {
        **ID,
        **PROJECT,
        "metering_label_id": Attribute(uuid_text, put=False),
        "direction": Attribute(one_of(["ingress", "egress"]), default="ingress", put=False),
        "excluded": Attribute(boolean, default=False, put=False),
        "remote_ip_prefix": _PREFIX,
        "source_ip_prefix": _PREFIX,
        "destination_ip_prefix": _PREFIX,
    },
    Rules(),
)
