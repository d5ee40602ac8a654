"""Address scopes, subnet pools, subnets."""

from __future__ import annotations

from cumulet.network.crud import crud
from cumulet.network.handlers import address_scopes

ROUTES = (*crud("/v2.0/address-scopes", address_scopes.NOUN),)
