"""`/v2.0/address-scopes` (Networking API v2.0, Address scopes)."""

from __future__ import annotations

from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, Attribute
from cumulet.network.checks import boolean, one_of
from cumulet.network.crud import Noun
from cumulet.network.domain import address_scopes, base
from cumulet.network.listing import Collection
from cumulet.network.tables import address_scopes as table

ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    "ip_version": Attribute(one_of([4, 6]), put=False),
    "shared": Attribute(boolean, default=False, guarded=True),
}
NOUN = Noun(
    Collection(
        name="address_scope",
        plural="address_scopes",
        attributes=ATTRIBUTES,
        table=table,
        view=address_scopes.view,
        visible=base.own_or_shared(table, "address_scope"),
    ),
    address_scopes,
    address_scopes.missing,
)
