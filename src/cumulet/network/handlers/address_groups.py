"""`/v2.0/address-groups` (Networking API v2.0, Address groups)."""

from __future__ import annotations

from cumulet.kernel.http import Call, Reply
from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, Attribute, read_only, single
from cumulet.network.checks import Invalid, cidr, list_of
from cumulet.network.crud import Noun
from cumulet.network.domain import address_groups
from cumulet.network.errors import bad_request, forbidden
from cumulet.network.listing import Collection
from cumulet.network.service import Network
from cumulet.network.tables import address_groups as table

_ADDRESSES = list_of(cidr)
ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    "addresses": Attribute(_ADDRESSES, default=list, put=False, filter=False, sort=False),
    "shared": read_only(),
}
NOUN = Noun(
    Collection(
        name="address_group",
        plural="address_groups",
        attributes=ATTRIBUTES,
        table=table,
        view=address_groups.view,
        visible=address_groups.seen_by,
    ),
    address_groups,
    address_groups.missing,
)


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
    with call.service.db.write() as connection:
        row = NOUN.load(call, connection, identifier, lock=True)
        if not call.service.policy.allows(call.ctx, "update_address_group", NOUN.target(row)):
            raise forbidden("rule:update_address_group")
        add, remove = (addresses, []) if adding else ([], addresses)
        address_groups.change(call.service, connection, row, add=add, remove=remove)
        changed = NOUN.load(call, connection, identifier)
    return Reply({"address_group": NOUN.present(call, [changed], [])[0]})
