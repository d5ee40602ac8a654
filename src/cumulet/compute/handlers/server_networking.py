"""Actions on a server's addresses and security groups (Compute API, Servers - run an action)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from sqlalchemy.engine import Row

from cumulet.compute import peers
from cumulet.compute.clients import addresses
from cumulet.compute.domain import interfaces, server_states, servers
from cumulet.compute.handlers import networks, server_access
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, Gone, NotFound, ServiceUnavailable
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.jobs import GiveUp, Retry

_ACCEPTED: Final = Reply(status=202)
_LAST: Final = (2, 43)
"""Addresses are changed at Network itself from 2.44 on."""
Port = dict[str, Any]


def _load(call: Call[Compute], server_id: str, rule: str) -> Row[Any]:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, rule)


def _ports(call: Call[Compute], row: Row[Any]) -> list[Port]:
    answer = peers.ask(call, "network", "GET", f"/v2.0/ports?{urlencode({'device_id': row.id})}")
    found: list[Port] = peers.require(answer)["ports"]
    return found


def _update(call: Call[Compute], port: Port, **values: Any) -> Any:
    path = f"/v2.0/ports/{quote(port['id'], safe='')}"
    return peers.ask(call, "network", "PUT", path, json={"port": values})


def _follow(call: Call[Compute], row: Row[Any]) -> None:
    """Have the server show at once what was changed at Network."""
    try:
        vifs, groups = addresses.current(call.service.session, row.id)
    except (Retry, GiveUp) as error:
        raise ServiceUnavailable(str(error)) from None
    with call.service.db.write() as connection:
        now = servers.load(connection, row.id, lock=True)
        interfaces.store(call.service, connection, now, vifs, groups)


def _fields(given: Any, action: str, *required: str, optional: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The action's texts. Raises BadRequest."""
    if not isinstance(given, dict) or set(given) - {*required, *optional}:
        raise BadRequest(f"Invalid input for field/attribute {action}. It has {', '.join((*required, *optional))}.")
    for name in (*required, *(key for key in optional if key in given)):
        value = given.get(name)
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= 255:
            raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value}.")
    return given


def _require_old(call: Call[Compute], action: str) -> None:
    if call.version > _LAST:
        raise NotFound(f"There is no action {action} in this microversion.")


# -- addresses -----------------------------------------------------------------------------------------------------


def add_fixed_ip(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _require_old(call, "addFixedIp")
    row = _load(call, server_id, "os-multinic:add")
    network_id = _fields(given, "addFixedIp", "networkId")["networkId"]
    server_states.require_unlocked(row, admin=call.ctx.is_admin)
    interfaces.require_network(row, network_id)
    port = next((one for one in _ports(call, row) if one["network_id"] == network_id), None)
    if port is None:
        raise NotFound(f"Network {network_id} could not be found.")
    subnets = peers.require(peers.ask(call, "network", "GET", f"/v2.0/subnets?{urlencode({'network_id': network_id})}"))
    for subnet in subnets["subnets"]:
        answer = _update(call, port, fixed_ips=[*port["fixed_ips"], {"subnet_id": subnet["id"]}])
        if answer.status < 300:
            _follow(call, row)
            return _ACCEPTED
    raise BadRequest(f"No fixed IP addresses available for network: {network_id}")


def remove_fixed_ip(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _require_old(call, "removeFixedIp")
    row = _load(call, server_id, "os-multinic:remove")
    address = _fields(given, "removeFixedIp", "address")["address"]
    server_states.require_unlocked(row, admin=call.ctx.is_admin)
    for port in _ports(call, row):
        left = [ip for ip in port["fixed_ips"] if ip["ip_address"] != address]
        if len(left) < len(port["fixed_ips"]):
            peers.require(_update(call, port, fixed_ips=left))
            _follow(call, row)
            return _ACCEPTED
    raise BadRequest(f"Fixed IP address {address} for instance {row.id} could not be found.")


def _floating(call: Call[Compute], address: str) -> dict[str, Any]:
    answer = peers.ask(call, "network", "GET", f"/v2.0/floatingips?{urlencode({'floating_ip_address': address})}")
    found = peers.require(answer)["floatingips"] if answer.status != 400 else []
    if not found:
        raise NotFound("floating IP not found")
    one: dict[str, Any] = found[0]
    return one


def _lead(call: Call[Compute], floating: Mapping[str, Any], port_id: str | None, fixed: str | None) -> None:
    values = {"port_id": port_id} | ({"fixed_ip_address": fixed} if fixed else {})
    answer = peers.ask(call, "network", "PUT", f"/v2.0/floatingips/{floating['id']}", json={"floatingip": values})
    if answer.status == 403:
        raise Forbidden(peers.message_of(answer))
    if answer.status >= 400:
        raise BadRequest(f"Unable to associate floating IP {floating['floating_ip_address']}. "
                         f"{peers.message_of(answer)}")  # fmt: skip


def add_floating_ip(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _require_old(call, "addFloatingIp")
    row = _load(call, server_id, "os-floating-ips:add")
    fields = _fields(given, "addFloatingIp", "address", optional=("fixed_address",))
    vifs = servers.decode(row.addresses)
    if not vifs:
        raise BadRequest("Instance network is not ready yet")
    fixed = [(vif["id"], ip) for vif in vifs for ip in vif["ips"]]
    if not fixed:
        raise BadRequest("No fixed IPs associated to instance")
    wanted = fields.get("fixed_address")
    target = next(
        ((port, ip) for port, ip in fixed if (ip["address"] == wanted if wanted else ip["version"] == 4)), None
    )
    if target is None and wanted:
        raise BadRequest("Specified fixed address not assigned to instance")
    if target is None:
        raise BadRequest(
            f"Unable to associate floating IP {fields['address']} to any fixed IPs for instance {row.id}. "
            "Instance has no fixed IPv4 addresses to associate."
        )
    former = _floating(call, fields["address"])
    _lead(call, former, target[0], target[1]["address"])
    _follow(call, row)
    return _ACCEPTED


def remove_floating_ip(call: Call[Compute], server_id: str, given: Any) -> Reply:
    _require_old(call, "removeFloatingIp")
    row = _load(call, server_id, "os-floating-ips:remove")
    address = _fields(given, "removeFloatingIp", "address")["address"]
    floating = _floating(call, address)
    if floating["port_id"] is None or floating["port_id"] not in {port["id"] for port in _ports(call, row)}:
        raise Conflict(f"Floating IP {address} is not associated with instance {row.id}.")
    _lead(call, floating, None, None)
    _follow(call, row)
    return _ACCEPTED


# -- security groups -----------------------------------------------------------------------------------------------


def _group_id(call: Call[Compute], row: Row[Any], wanted: str) -> str:
    """Of the server's project, by name or id. Raises NotFound, Conflict when several have the name."""
    query = urlencode({"project_id": row.project_id})
    groups = peers.require(peers.ask(call, "network", "GET", f"/v2.0/security-groups?{query}"))["security_groups"]
    if any(group["id"] == wanted for group in groups):
        return wanted
    named = [str(group["id"]) for group in groups if group["name"] == wanted]
    if len(named) > 1:
        raise Conflict(f"Multiple security groups found matching '{wanted}'. Use an ID to be more specific.")
    if not named:
        raise NotFound(f"Security group {wanted} not found.")
    return named[0]


def add_security_group(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _load(call, server_id, "os-security-groups:add")
    name = _fields(given, "addSecurityGroup", "name")["name"]
    group_id = _group_id(call, row, name)
    ports = _ports(call, row)
    for port in ports:
        if not port.get("port_security_enabled", True) or not port["fixed_ips"]:
            raise BadRequest("Network requires port_security_enabled and subnet associated in order to apply security "
                             "groups.")  # fmt: skip
    for port in ports:
        if group_id not in port["security_groups"]:
            peers.require(_update(call, port, security_groups=[*port["security_groups"], group_id]))
    _follow(call, row)
    return _ACCEPTED


def remove_security_group(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _load(call, server_id, "os-security-groups:remove")
    name = _fields(given, "removeSecurityGroup", "name")["name"]
    group_id = _group_id(call, row, name)
    having = [port for port in _ports(call, row) if group_id in port["security_groups"]]
    if not having:
        raise NotFound(f"Security group {group_id} not associated with the instance {row.id}")
    for port in having:
        left = [one for one in port["security_groups"] if one != group_id]
        peers.require(_update(call, port, security_groups=left))
    _follow(call, row)
    return _ACCEPTED


def security_groups(call: Call[Compute], server_id: str) -> Reply:
    """`/v2.1/servers/{id}/os-security-groups`: the groups of its ports, with their rules."""
    row = _load(call, server_id, "os-security-groups:list")
    ids = sorted({group for port in _ports(call, row) for group in port["security_groups"]})
    return Reply({"security_groups": networks.groups_by_id(call, ids)})


# -- the network as a whole ----------------------------------------------------------------------------------------


def inject_network_info(call: Call[Compute], server_id: str, given: Any) -> Reply:
    """What Network says is read again; guests of this cloud ask for it by DHCP and metadata."""
    row = _load(call, server_id, "os-admin-actions:inject_network_info")
    server_states.require_unlocked(row, admin=call.ctx.is_admin)
    _follow(call, row)
    return _ACCEPTED


def reset_network(call: Call[Compute], server_id: str, given: Any) -> Reply:
    """Only one driver could do it, and it is gone (Compute API, Reset Networking on a Server: 410)."""
    raise Gone("This action has been removed.")


ACTIONS: Final = {
    "addFixedIp": add_fixed_ip,
    "removeFixedIp": remove_fixed_ip,
    "addFloatingIp": add_floating_ip,
    "removeFloatingIp": remove_floating_ip,
    "addSecurityGroup": add_security_group,
    "removeSecurityGroup": remove_security_group,
    "injectNetworkInfo": inject_network_info,
    "resetNetwork": reset_network,
}
