"""Address scopes and subnet pools."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import address_scopes, subnet_pools

ROUTES = (
    *crud("/v2.0/address-scopes", address_scopes.NOUN),
    *crud("/v2.0/subnetpools", subnet_pools.NOUN),
    Route("PUT", "/v2.0/subnetpools/{subnetpool_id}/add_prefixes", subnet_pools.add_prefixes),
    Route("PUT", "/v2.0/subnetpools/{subnetpool_id}/remove_prefixes", subnet_pools.remove_prefixes),
)
