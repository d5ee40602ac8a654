"""`/v2.0/floatingips` (Networking API v2.0, Floating IPs)."""

from __future__ import annotations

from cumulet.network.attributes import ID, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import dns_domain, dns_name, empty_as_none, ip_address, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import floating_ips

ATTRIBUTES = {
    **ID,
    **PROJECT,
    **STANDARD,
    **TAGS,
    "floating_ip_address": Attribute(empty_as_none(ip_address), default=UNSET, put=False, guarded=True),
    "floating_network_id": Attribute(uuid_text, put=False),
    "subnet_id": Attribute(empty_as_none(uuid_text), default=UNSET, put=False, filter=False, sort=False),
    "port_id": Attribute(empty_as_none(uuid_text), default=UNSET),
    "fixed_ip_address": Attribute(empty_as_none(ip_address), default=UNSET),
    "router_id": read_only(),
    "status": read_only(),
    "qos_policy_id": Attribute(empty_as_none(uuid_text), default=UNSET),
    "dns_name": Attribute(dns_name, default="", put=False),
    "dns_domain": Attribute(dns_domain, default="", put=False),
    "port_forwardings": read_only(filter=False, sort=False),
    "port_details": read_only(filter=False, sort=False),
}
NOUN = Noun(
    "floatingip",
    "floatingips",
    ATTRIBUTES,
    floating_ips,
    dress=floating_ips.dress,
    dressed=frozenset({"port_details"}),
)
