"""`/v2.0/ports` (Networking API v2.0, Ports)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cumulet.kernel.http import Call
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import (
    Invalid,
    boolean,
    cidr_or_address,
    dictionary,
    dns_domain,
    dns_name,
    empty_as_none,
    fixed_ips,
    ip_version,
    json_object,
    list_of,
    mac_address,
    one_of,
    optional,
    plain_text,
    text,
    unicast_mac,
    uuid_text,
)
from cumulet.network.crud import Noun
from cumulet.network.domain import networks, ports
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.service import Network

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

VNIC_TYPES = [
    "normal",
    "macvtap",
    "direct",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
    "vdpa",
]
_OPTION_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PAIR = dictionary({"ip_address": cidr_or_address, "mac_address": mac_address}, required=["ip_address"])


def _dhcp_option(value: Any) -> dict[str, Any]:
    option: dict[str, Any] = dictionary(
        {
            "opt_name": plain_text(64),
            "opt_value": optional(plain_text(255)),
            "ip_version": ip_version,
        },
        required=["opt_name", "opt_value"],
    )(value)
    if not option["opt_name"].strip():
        raise Invalid("'' Blank strings are not permitted")
    if not _OPTION_NAME.fullmatch(option["opt_name"]):
        raise Invalid(f"'{option['opt_name']}' is not a valid DHCP option name")
    option.setdefault("ip_version", 4)
    return {key: option[key] for key in ("opt_name", "opt_value", "ip_version")}


def _pairs(value: Any) -> list[Any]:
    pairs: list[Any] = list_of(_PAIR, unique=False)(value)
    for index, pair in enumerate(pairs):
        if pair in pairs[:index]:
            raise bad_request(
                f"Request contains duplicate address pair: mac_address {pair.get('mac_address')} ip_address "
                f"{pair['ip_address']}.",
                "DuplicateAddressPairInRequest",
            )
    for pair in pairs:
        if pair["ip_address"].split("/")[0].startswith(("224.", "239.", "ff")):
            raise Invalid(f"'{pair['ip_address']}' is multicast, which no port owns")
    return pairs


ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "network_id": Attribute(uuid_text, put=False),
    "mac_address": Attribute(optional(unicast_mac), default=UNSET, guarded=True),
    "fixed_ips": Attribute(optional(fixed_ips), default=UNSET, guarded=True, sort=False, filter=False),
    "admin_state_up": Attribute(boolean, default=True),
    "device_id": Attribute(plain_text(255), default=""),
    "device_owner": Attribute(plain_text(255), default="", guarded=True),
    "security_groups": Attribute(optional(list_of(uuid_text)), default=UNSET, sort=False, filter=False),
    "allowed_address_pairs": Attribute(_pairs, default=UNSET, guarded=True, sort=False, filter=False),
    "extra_dhcp_opts": Attribute(
        optional(list_of(_dhcp_option, unique=False)), default=UNSET, sort=False, filter=False
    ),
    "port_security_enabled": Attribute(boolean, default=UNSET, guarded=True),
    "status": read_only(),
    "dns_name": Attribute(dns_name, default=""),
    "dns_domain": Attribute(dns_domain, default=""),
    "dns_assignment": read_only(sort=False, filter=False),
    "qos_policy_id": Attribute(empty_as_none(uuid_text), default=UNSET),
    "qos_network_policy_id": read_only(),
    "ip_allocation": read_only(),
    "propagate_uplink_status": Attribute(boolean, default=True),
    "resource_request": read_only(secret=True, sort=False, filter=False),
    "binding:host_id": Attribute(optional(text(255)), default=UNSET, guarded=True, secret=True),
    "binding:vnic_type": Attribute(one_of(VNIC_TYPES), default="normal"),
    "binding:vif_type": read_only(secret=True),
    "binding:vif_details": read_only(secret=True, sort=False, filter=False),
    "binding:profile": Attribute(
        optional(json_object), default=UNSET, guarded=True, secret=True, sort=False, filter=False
    ),
}


def _enrich(call: Call[Network], connection: Connection, target: dict[str, Any]) -> None:
    """Rules of ports ask who owns the network and whether the caller shares it; a chosen address has a rule too."""
    exists = "id" in target
    standing = networks.standing(connection, target["network_id"], call.ctx, unseen=exists)
    target["network:tenant_id"] = target["network:project_id"] = standing.owner
    target["shared"] = standing.shared
    verb = "update" if exists else "create"
    for key in ("ip_address", "subnet_id"):
        if any(key in wish for wish in _wishes(target)):
            rule = f"{verb}_port:fixed_ips:{key}"
            if not call.service.policy.allows(call.ctx, rule, target):
                raise forbidden(f"rule:{verb}_port and rule:{rule}")


def _wishes(target: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixed ips that a body asks for; in a row they are text."""
    wanted = target.get("fixed_ips")
    return wanted if isinstance(wanted, list) else []


NOUN = Noun("port", "ports", ATTRIBUTES, ports, enrich=_enrich, dress=ports.dress, dressed=frozenset({"trunk_details"}))
