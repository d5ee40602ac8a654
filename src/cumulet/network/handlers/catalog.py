"""Availability zones, service providers, address counts, floating IP pools: lists without a table of their own."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.http import Call, Reply
from cumulet.network.domain import availability
from cumulet.network.errors import forbidden
from cumulet.network.service import Network

_PROVIDERS: Final = ("dvrha", "dvr", "ha", "single_node")


def availability_zones(call: Call[Network]) -> Reply:
    with call.service.db.read() as connection:
        found = availability.zones(connection)
    return Reply({"availability_zones": _filtered(call, found)})


def service_providers(call: Call[Network]) -> Reply:
    found = [{"service_type": "L3_ROUTER_NAT", "name": name, "default": name == "single_node"} for name in _PROVIDERS]
    return Reply({"service_providers": _filtered(call, found)})


def _filtered(call: Call[Network], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = call.query()
    return [one for one in found if all(str(one[key]) in wanted[key] for key in one if key in wanted)]


def floating_ip_pools(call: Call[Network]) -> Reply:
    with call.service.db.read() as connection:
        found = availability.floating_ip_pools(connection)
    return Reply({"floatingip_pools": _filtered(call, found)})


def availabilities(call: Call[Network]) -> Reply:
    """Administrators' numbers: whoever may not see them gets an empty list, as from the original."""
    if not call.service.policy.allows(call.ctx, "get_network_ip_availability"):
        return Reply({"network_ip_availabilities": []})
    with call.service.db.read() as connection:
        return Reply({"network_ip_availabilities": availability.of_networks(connection, call.query())})


def availability_of(call: Call[Network], network_id: str) -> Reply:
    if not call.service.policy.allows(call.ctx, "get_network_ip_availability"):
        raise forbidden("rule:get_network_ip_availability")
    with call.service.db.read() as connection:
        return Reply({"network_ip_availability": availability.of_network(connection, network_id)})
