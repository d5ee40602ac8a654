"""`/v2.0/address-scopes` (Networking API v2.0, Address scopes)."""

from __future__ import annotations

from cumulet.network.attributes import ID, NAME, PROJECT, STANDARD, Attribute
from cumulet.network.checks import boolean, ip_version
from cumulet.network.crud import Noun
from cumulet.network.domain import address_scopes, base

ATTRIBUTES = {
    **ID,
    **PROJECT,
    **NAME,
    **STANDARD,
    "ip_version": Attribute(ip_version, put=False),
    "shared": Attribute(boolean, default=False, guarded=True),
}
NOUN = Noun("address_scope", "address_scopes", ATTRIBUTES, address_scopes, dress=base.show_sharing("address_scope"))
