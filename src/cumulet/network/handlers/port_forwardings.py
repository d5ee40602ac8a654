"""`/v2.0/floatingips/{id}/port_forwardings` (Networking API v2.0, Floating IP port forwarding)."""

from __future__ import annotations

import re
from typing import Any

from cumulet.network.attributes import ID, UNSET, Attribute
from cumulet.network.checks import Invalid, integer, ip_address, one_of, optional, plain_text, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import port_forwardings
from cumulet.network.handlers import floating_ips

_PORT = optional(integer(1, 65535))
_PROTOCOLS = ("tcp", "udp")
_RANGE = re.compile(r"^[0-9]{1,5}(:[0-9]{1,5})?\Z", re.ASCII)


def _protocol(value: Any) -> str:
    """What the hosts can forward by port."""
    return str(one_of(_PROTOCOLS)(value.lower() if isinstance(value, str) else value))


def _range(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    if not _RANGE.match(text):
        raise Invalid(f"'{value}' is not a port range such as 8080:8089")
    low, _, high = text.partition(":")
    first, last = int(low), int(high or low)
    if not 1 <= first <= last <= 65535:
        raise Invalid(f"'{value}' is not a range of ports from 1 to 65535")
    return f"{first}:{last}"


NOUN = Noun(
    "port_forwarding",
    "port_forwardings",
    {
        **ID,
        "external_port": Attribute(_PORT, default=UNSET),
        "external_port_range": Attribute(_range, default=UNSET),
        "internal_port": Attribute(_PORT, default=UNSET),
        "internal_port_range": Attribute(_range, default=UNSET),
        "internal_ip_address": Attribute(ip_address),
        "internal_port_id": Attribute(uuid_text),
        "protocol": Attribute(_protocol),
        "description": Attribute(plain_text(255), default=""),
    },
    port_forwardings,
    rule="floatingip_port_forwarding",
    parent=floating_ips.NOUN,
    parent_key="floatingip_id",
)
