"""`/v2.0/subnetpools` (Networking API v2.0, Subnet pools)."""

from __future__ import annotations

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, TAGS, UNSET, Attribute, read_only
from cumulet.network.checks import Invalid, boolean, cidr, integer, list_of, optional, uuid_text
from cumulet.network.crud import Noun
from cumulet.network.domain import base, onboarding, subnet_pools
from cumulet.network.errors import bad_request
from cumulet.network.service import Network

_LENGTH = integer(0, 128)
_PREFIXES = list_of(cidr)
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    **TAGS,
    "prefixes": Attribute(_PREFIXES, filter=False, sort=False),
    "ip_version": read_only(),
    "default_prefixlen": Attribute(_LENGTH, default=UNSET),
    "min_prefixlen": Attribute(_LENGTH, default=UNSET),
    "max_prefixlen": Attribute(_LENGTH, default=UNSET),
    "default_quota": Attribute(optional(integer(0)), default=None),
    "address_scope_id": Attribute(optional(uuid_text), default=None),
    "shared": Attribute(boolean, default=False, put=False, guarded=True),
    "is_default": Attribute(boolean, default=False, guarded=True),
}
NOUN = Noun("subnetpool", "subnetpools", ATTRIBUTES, subnet_pools, dress=base.show_sharing("subnetpool"))


def add_prefixes(call: Call[Network], subnetpool_id: str) -> Reply:
    return _change(call, subnetpool_id, "add_prefixes")


def remove_prefixes(call: Call[Network], subnetpool_id: str) -> Reply:
    return _change(call, subnetpool_id, "remove_prefixes")


def onboard_network_subnets(call: Call[Network], subnetpool_id: str) -> Reply:
    body = call.raw_json()
    if not isinstance(body, dict) or not isinstance(body.get("network_id"), str):
        raise bad_request("Invalid input for operation: network_id must be given.", "InvalidInput")
    with call.service.write() as connection:
        row = NOUN.show_row(call, connection, subnetpool_id, lock=True)
        NOUN.may(call, "onboard_network_subnets", row)
        return Reply(onboarding.onboard(call.service, connection, call.ctx, row, body["network_id"]))


def _change(call: Call[Network], subnetpool_id: str, action: str) -> Reply:
    body = call.raw_json()
    if not isinstance(body, dict) or set(body) != {"prefixes"}:
        raise bad_request("Body must be {'prefixes': [...]}.")
    try:
        prefixes = _PREFIXES(body["prefixes"])
    except Invalid as invalid:
        raise bad_request(f"Invalid input for prefixes. Reason: {invalid}.") from None
    with call.service.write() as connection:
        row = NOUN.show_row(call, connection, subnetpool_id, lock=True)
        NOUN.may(call, action, row)
        adding = prefixes if action == "add_prefixes" else []
        removing = prefixes if action == "remove_prefixes" else []
        after = subnet_pools.change_prefixes(call.service, connection, call.ctx, row, add=adding, remove=removing)
    return Reply({"prefixes": after})
