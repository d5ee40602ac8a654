"""`/v2.0/address-groups` (Networking API v2.0, Address groups)."""

from __future__ import annotations

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, Attribute, read_only, single
from cumulet.network.checks import Invalid, cidr, list_of
from cumulet.network.crud import Noun
from cumulet.network.domain import address_groups, base
from cumulet.network.errors import bad_request
from cumulet.network.service import Network

_ADDRESSES = list_of(cidr)
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    "addresses": Attribute(_ADDRESSES, default=list, put=False, filter=False, sort=False),
    "shared": read_only(),
}
NOUN = Noun("address_group", "address_groups", ATTRIBUTES, address_groups, dress=base.show_sharing("address_group"))


def add_addresses(call: Call[Network], address_group_id: str) -> Reply:
    return _change(call, address_group_id, adding=True)


def remove_addresses(call: Call[Network], address_group_id: str) -> Reply:
    return _change(call, address_group_id, adding=False)


def _change(call: Call[Network], identifier: str, *, adding: bool) -> Reply:
    given = single(call.raw_json(), "address_group")
    try:
        addresses = _ADDRESSES(given.get("addresses"))
    except Invalid as invalid:
        raise bad_request(f"Invalid input for addresses. Reason: {invalid}.") from None
    with call.service.write() as connection:
        row = NOUN.show_row(call, connection, identifier, lock=True)
        NOUN.may(call, "update_address_group", row)
        add, remove = (addresses, []) if adding else ([], addresses)
        address_groups.change(call.service, connection, row, add=add, remove=remove)
        things = NOUN.present(call, connection, NOUN.source.things(connection, [identifier]))
    return Reply({"address_group": things[0]})
