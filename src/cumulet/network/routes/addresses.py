"""Address scopes, subnet pools and address groups."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import address_groups, address_scopes, subnet_pools

_POOL = "/v2.0/subnetpools/{subnetpool_id}"
_GROUP = "/v2.0/address-groups/{address_group_id}"
ROUTES = (
    *crud("/v2.0/address-scopes", address_scopes.NOUN),
    *crud("/v2.0/subnetpools", subnet_pools.NOUN),
    Route("PUT", f"{_POOL}/add_prefixes", subnet_pools.add_prefixes),
    Route("PUT", f"{_POOL}/remove_prefixes", subnet_pools.remove_prefixes),
    Route("PUT", f"{_POOL}/onboard_network_subnets", subnet_pools.onboard_network_subnets),
    *crud("/v2.0/address-groups", address_groups.NOUN),
    Route("PUT", f"{_GROUP}/add_addresses", address_groups.add_addresses),
    Route("PUT", f"{_GROUP}/remove_addresses", address_groups.remove_addresses),
)
