"""What networks a new server asks for, checked with Network as the caller before anything is entered."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import quote

from msgspec import UNSET

from cumulet.compute import peers
from cumulet.compute.schemas.servers import Network, ServerFields
from cumulet.compute.service import Compute
from cumulet.kernel.errors import ApiError, BadRequest, Conflict
from cumulet.kernel.http import Call

Requested = list[dict[str, Any]]
"""`[{"network", "port", "fixed_ip", "tag"}]`"""


def resolve(call: Call[Compute], given: ServerFields, count: int) -> Requested:
    """Raises BadRequest for what is not there, Conflict for what cannot be told or is in use."""
    wanted = given.networks
    if wanted is UNSET:
        if call.version >= (2, 37):
            raise BadRequest("Invalid input for field/attribute server. 'networks' is a required property")
        return only_network(call)
    if isinstance(wanted, str):
        if call.version < (2, 37):
            raise BadRequest(f"Invalid input for field/attribute networks. Value: {wanted}. It is not an array.")
        return [] if wanted == "none" else _automatic(call)
    assert not isinstance(wanted, type(UNSET))
    if not wanted:
        return only_network(call)
    seen: set[str] = set()
    found = []
    for one in wanted:
        found.append(_one(call, one, count, seen))
    return found


def _automatic(call: Call[Compute]) -> Requested:
    """The project's only network, or one that Network makes for it, with a router, at the first server."""
    found = only_network(call)
    if found:
        return found
    path = f"/v2.0/auto-allocated-topology/{quote(str(call.ctx.project_id), safe='')}"
    made = peers.require(peers.ask(call, "network", "GET", path))["auto_allocated_topology"]
    return [{"network": made["id"], "port": None, "fixed_ip": None, "tag": None}]


def _one(call: Call[Compute], one: Network, count: int, seen: set[str]) -> dict[str, Any]:
    tag = None if one.tag is UNSET else one.tag
    if tag is not None and not ((2, 32) <= call.version <= (2, 36) or call.version >= (2, 42)):
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    if one.fixed_ip is not None:
        _require_address(one.fixed_ip)
    if one.port is not None:
        if one.fixed_ip is not None:
            raise BadRequest(
                f"Specified Fixed IP '{one.fixed_ip}' cannot be used with port '{one.port}': port already has a Fixed "
                "IP allocated."
            )
        if count > 1 or one.port in seen:
            raise BadRequest(
                "Unable to launch multiple instances with a single configured port ID. Please launch your "
                "instance one by one with different ports."
            )
        seen.add(one.port)
        return {"network": _network_of_port(call, one.port), "port": one.port, "fixed_ip": None, "tag": tag}
    if one.uuid is None:
        raise BadRequest("Bad network format: missing 'uuid'")
    if one.fixed_ip is not None and count > 1:
        raise BadRequest("max_count cannot be greater than 1 if an fixed_ip is specified.")
    answer = peers.ask(call, "network", "GET", f"/v2.0/networks/{quote(one.uuid, safe='')}")
    network = peers.require(answer, missing=None) if answer.status != 404 else None
    if network is None:
        raise BadRequest(f"Network {one.uuid} could not be found.")
    if not network["network"].get("subnets"):
        raise BadRequest(f"Network {one.uuid} requires a subnet in order to boot instances on.")
    return {"network": one.uuid, "port": None, "fixed_ip": one.fixed_ip, "tag": tag}


def _require_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise BadRequest(f"Invalid input for field/attribute fixed_ip. Value: {text}. It is no IP address.") from None


def _network_of_port(call: Call[Compute], port_id: str) -> str:
    answer = peers.ask(call, "network", "GET", f"/v2.0/ports/{quote(port_id, safe='')}")
    if answer.status == 404:
        raise BadRequest(f"Port id {port_id} could not be found.")
    port = peers.require(answer)["port"]
    if port.get("device_id"):
        raise Conflict(f"Port {port_id} is still in use.")
    if not port.get("fixed_ips") and port.get("ip_allocation") != "deferred":
        raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")
    return str(port["network_id"])


def only_network(call: Call[Compute], ambiguous: type[ApiError] = Conflict) -> Requested:
    """The project's one network, or else the one shared network; none is no network card.

    Raises `ambiguous` when there are several.
    """
    project = quote(str(call.ctx.project_id), safe="")
    for query in (f"tenant_id={project}&router%3Aexternal=False", "shared=True&router%3Aexternal=False"):
        networks = peers.require(peers.ask(call, "network", "GET", f"/v2.0/networks?{query}"))["networks"]
        usable = [network for network in networks if network.get("subnets")]
        if len(usable) > 1:
            raise ambiguous("Multiple possible networks found, use a Network ID to be more specific.")
        if usable:
            return [{"network": usable[0]["id"], "port": None, "fixed_ip": None, "tag": None}]
    return []
