"""`/v2.1/servers/{id}/os-interface` (Compute API, Port interfaces)."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import UNSET
from sqlalchemy.engine import Row

from cumulet.compute import peers
from cumulet.compute.bodies import read, unexpected
from cumulet.compute.clients import addresses, network
from cumulet.compute.domain import interfaces
from cumulet.compute.handlers import requested_networks, server_access
from cumulet.compute.schemas.interfaces import Interface, InterfaceBody
from cumulet.compute.service import Compute
from cumulet.kernel.errors import ApiError, BadRequest, Conflict, Forbidden, NotFound, ServiceUnavailable
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.jobs import GiveUp, Retry

Port = dict[str, Any]


def _load(call: Call[Compute], server_id: str, verb: str) -> Row[Any]:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, f"os-attach-interfaces:{verb}")


def _view(call: Call[Compute], row: Row[Any], port: Port) -> dict[str, Any]:
    shown = {
        "net_id": port["network_id"],
        "port_id": port["id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": port.get("fixed_ips"),
    }
    if call.version >= (2, 70):
        vif = interfaces.vif_of(row, port["id"])
        shown["tag"] = None if vif is None else vif.get("tag")
    return shown


def index(call: Call[Compute], server_id: str) -> Reply:
    row = _load(call, server_id, "list")
    answer = peers.ask(call, "network", "GET", f"/v2.0/ports?{urlencode({'device_id': row.id})}")
    return Reply({"interfaceAttachments": [_view(call, row, port) for port in peers.require(answer)["ports"]]})


def _port(call: Call[Compute], port_id: str) -> Port:
    """As the caller sees it. Raises the 404."""
    answer = peers.ask(call, "network", "GET", f"/v2.0/ports/{quote(port_id, safe='')}")
    port: Port = peers.require(answer, missing=f"Port id {port_id} could not be found.")["port"]
    return port


def show(call: Call[Compute], server_id: str, port_id: str) -> Reply:
    row = _load(call, server_id, "show")
    port = _port(call, port_id)
    if port["device_id"] != row.id and interfaces.vif_of(row, port["id"]) is None:  # plugged in, or about to be
        raise NotFound(f"Instance {row.id} does not have a port with id {port_id}")
    return Reply({"interfaceAttachment": _view(call, row, port)})


def create(call: Call[Compute], server_id: str) -> Reply:
    """The port is there when this answers; a job plugs it in."""
    row = _load(call, server_id, "create")
    given = read(call, InterfaceBody).interface if call.req.content_length else Interface()
    _check(call, given)
    interfaces.require_attachable(row, admin=call.ctx.is_admin)
    made = given.port_id is UNSET
    port = _make(call, row, given) if made else _free(call, str(given.port_id))
    try:
        networks = network.networks(call.service.session, [port["network_id"]])
        tag = None if given.tag is UNSET else given.tag
        interfaces.attach(call.service, call.ctx, row.id, addresses.vif(port, networks, tag=tag, preserve=not made))
    except (Retry, GiveUp) as error:
        _give_back(call, port, made)
        raise ServiceUnavailable(str(error)) from None
    except ApiError:
        _give_back(call, port, made)
        raise
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-attach-interfaces:create")
    return Reply({"interfaceAttachment": _view(call, row, port)})


def _check(call: Call[Compute], given: Interface) -> None:
    if given.tag is not UNSET and call.version < (2, 49):
        raise BadRequest(unexpected("tag"))
    if given.net_id is not UNSET and given.port_id is not UNSET:
        raise BadRequest("Must not input both network_id and port_id")
    if given.fixed_ips is not UNSET:
        if given.net_id is UNSET:
            raise BadRequest("Must input network_id when request IP address")
        address = given.fixed_ips[0].ip_address
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise BadRequest(f"Invalid input for field/attribute ip_address. Value: {address}.") from None


def _free(call: Call[Compute], port_id: str) -> Port:
    """A port that no server has. Raises NotFound, Conflict, BadRequest."""
    port = _port(call, port_id)
    if port["device_id"]:
        raise Conflict(f"Port {port_id} is still in use.")
    if not port["fixed_ips"] and port.get("ip_allocation") != "deferred":
        raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")
    return port


def _make(call: Call[Compute], row: Row[Any], given: Interface) -> Port:
    """A new port that is the server's already, so that it goes with it whatever happens next."""
    network_id = given.net_id
    if network_id is UNSET:
        found = requested_networks.only_network(call, BadRequest)
        if not found:
            raise BadRequest(f"No network to attach to for instance {row.id}.")
        network_id = found[0]["network"]
    elif peers.ask(call, "network", "GET", f"/v2.0/networks/{quote(network_id, safe='')}").status != 200:
        raise NotFound(f"Network {network_id} could not be found.")
    values: dict[str, Any] = {
        "network_id": network_id,
        "project_id": row.project_id,
        "device_id": row.id,
        "device_owner": f"{network.OWNER}{row.availability_zone or ''}",
        "admin_state_up": True,
    }
    if given.fixed_ips is not UNSET:
        values["fixed_ips"] = [{"ip_address": given.fixed_ips[0].ip_address}]
    try:
        answer = call.service.session.request("POST", "network", "/v2.0/ports", json={"port": values})
    except LookupError:
        raise ServiceUnavailable("The network service does not answer.") from None
    if answer.status == 409:
        raise _refusal(answer, network_id)
    port: Port = peers.require(answer)["port"]
    return port


def _refusal(answer: Any, network_id: str) -> ApiError:
    kind = answer.json().get("NeutronError", {}).get("type", "")
    message = peers.message_of(answer)
    if kind == "OverQuota":
        return Forbidden("Maximum number of ports exceeded")
    if kind == "IpAddressGenerationFailure":
        return BadRequest(f"No fixed IP addresses available for network: {network_id}")
    return Conflict(message)


def _give_back(call: Call[Compute], port: Port, made: bool) -> None:
    if made:
        call.service.session.request("DELETE", "network", f"/v2.0/ports/{quote(port['id'], safe='')}")


def delete(call: Call[Compute], server_id: str, port_id: str) -> Reply:
    row = _load(call, server_id, "delete")
    if interfaces.vif_of(row, port_id) is None and not _is_on(call, row, port_id):
        raise NotFound(f"Port id {port_id} could not be found.")
    interfaces.detach(call.service, call.ctx, row.id, port_id)
    return Reply(status=202)


def _is_on(call: Call[Compute], row: Row[Any], port_id: str) -> bool:
    """Whether it is the server's without being known here, as after an attachment that was broken off."""
    answer = peers.ask(call, "network", "GET", f"/v2.0/ports/{quote(port_id, safe='')}")
    return answer.status == 200 and bool(answer.json()["port"]["device_id"] == row.id)
