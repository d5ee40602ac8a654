"""Network's things in Compute's older form, up to microversion 2.35 (Compute API, deprecated network APIs)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from cumulet.compute import peers
from cumulet.compute.handlers.server_parts import UUID
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply

_EMPTY: Final = (
    "cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6", "created_at",
    "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address", "vpn_public_port",
    "vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface", "multi_host", "priority",
    "rxtx_base", "mtu", "dhcp_server", "enable_dhcp", "share_address",
)  # fmt: skip


def _ask(call: Call[Compute], method: str, path: str, json: Any = None, *, missing: str | None = None) -> Any:
    return peers.require(peers.ask(call, "network", method, f"/v2.0{path}", json=json), missing=missing)


def _visible(call: Call[Compute]) -> list[dict[str, Any]]:
    """All that Network shows the caller: the project's own networks, shared and external ones."""
    found: list[dict[str, Any]] = _ask(call, "GET", "/networks")["networks"]
    return found


def index(call: Call[Compute]) -> Reply:
    return Reply({"networks": [_view(one) for one in _visible(call)]})


def _view(network: dict[str, Any]) -> dict[str, Any]:
    return {"id": network["id"], "label": network["name"], **dict.fromkeys(_EMPTY)}


def _load(call: Call[Compute], network_id: str) -> dict[str, Any]:
    path = f"/networks/{quote(network_id, safe='')}"
    network: dict[str, Any] = _ask(call, "GET", path, missing="Network not found")["network"]
    return network


def show(call: Call[Compute], network_id: str) -> Reply:
    return Reply({"network": _view(_load(call, network_id))})


def tenant_index(call: Call[Compute]) -> Reply:
    return Reply({"networks": [_tenant(one) for one in _visible(call)]})


def _tenant(network: dict[str, Any]) -> dict[str, Any]:
    return {"id": network["id"], "cidr": "None", "label": network["name"]}


def tenant_show(call: Call[Compute], network_id: str) -> Reply:
    return Reply({"network": _tenant(_load(call, network_id))})


# -- floating IPs --------------------------------------------------------------------------------------------------


def _external(call: Call[Compute]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(call, "GET", "/networks?router:external=True")["networks"]
    return found


def pools(call: Call[Compute]) -> Reply:
    return Reply({"floating_ip_pools": [{"name": one["name"] or one["id"]} for one in _external(call)]})


def _floating(call: Call[Compute], floating: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    details = floating.get("port_details") or {}
    return {
        "id": floating["id"],
        "ip": floating["floating_ip_address"],
        "fixed_ip": floating["fixed_ip_address"],
        "instance_id": details.get("device_id") or None,
        "pool": names.get(floating["floating_network_id"], floating["floating_network_id"]),
    }


def _names(call: Call[Compute]) -> dict[str, str]:
    return {one["id"]: one["name"] or one["id"] for one in _external(call)}


def floating_ips(call: Call[Compute]) -> Reply:
    query = urlencode({"project_id": call.ctx.project_id or ""})
    found, names = _ask(call, "GET", f"/floatingips?{query}")["floatingips"], _names(call)
    return Reply({"floating_ips": [_floating(call, one, names) for one in found]})


def floating_ip(call: Call[Compute], floating_id: str) -> Reply:
    missing = f"Floating IP not found for ID {floating_id}"
    found = _ask(call, "GET", f"/floatingips/{quote(floating_id, safe='')}", missing=missing)["floatingip"]
    return Reply({"floating_ip": _floating(call, found, _names(call))})


def create_floating_ip(call: Call[Compute]) -> Reply:
    body = call.raw_json() if call.req.content_length else {}
    pool = body.get("pool") if isinstance(body, dict) else None
    external = _external(call)
    chosen = next((one for one in external if pool in (None, one["name"], one["id"])), None)
    if chosen is None:
        raise NotFound("Floating IP pool not found.")
    given = {"floatingip": {"floating_network_id": chosen["id"]}}
    return Reply(
        {"floating_ip": _floating(call, _ask(call, "POST", "/floatingips", given)["floatingip"], _names(call))}
    )


def delete_floating_ip(call: Call[Compute], floating_id: str) -> Reply:
    missing = f"Floating IP not found for ID {floating_id}"
    _ask(call, "DELETE", f"/floatingips/{quote(floating_id, safe='')}", missing=missing)
    return Reply(status=202)


# -- security groups -----------------------------------------------------------------------------------------------


def _group(group: dict[str, Any], names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    rules = [_rule(rule, names) for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
        "tenant_id": group["project_id"],
        "rules": rules,
    }


def _rule(rule: dict[str, Any], names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ports of all are shown as 0 to 65535 (-1 for ICMP), as Compute's own groups had them."""
    protocol, low, high = rule["protocol"], rule["port_range_min"], rule["port_range_max"]
    if protocol in ("tcp", "udp") and low is None:
        low, high = 1, 65535
    elif protocol == "icmp":
        low, high = (-1 if low is None else low), (-1 if high is None else high)
    remote = names.get(rule["remote_group_id"] or "")
    prefix = rule["remote_ip_prefix"]
    if remote is None and prefix is None and protocol is not None:
        prefix = "0.0.0.0/0" if rule["ethertype"] == "IPv4" else "::/0"
    return {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": protocol,
        "from_port": low,
        "to_port": high,
        "group": {} if remote is None else {"name": remote["name"], "tenant_id": remote["project_id"]},
        "ip_range": {} if remote is not None or prefix is None else {"cidr": prefix},
    }


def _groups(call: Call[Compute], *, everybody: bool = False) -> list[dict[str, Any]]:
    query = "" if everybody else "?" + urlencode({"project_id": call.ctx.project_id or ""})
    found: list[dict[str, Any]] = _ask(call, "GET", f"/security-groups{query}")["security_groups"]
    return found


def groups_by_id(call: Call[Compute], ids: list[str]) -> list[dict[str, Any]]:
    """These groups in Compute's form, by name."""
    if not ids:
        return []
    query = urlencode([("id", one) for one in ids])
    found = _ask(call, "GET", f"/security-groups?{query}")["security_groups"]
    remote = {rule["remote_group_id"] for group in found for rule in group["security_group_rules"]} - {None}
    others = (
        _ask(call, "GET", f"/security-groups?{urlencode([('id', one) for one in sorted(remote)])}") if remote else {}
    )
    names = {group["id"]: group for group in [*found, *others.get("security_groups", [])]}
    return sorted((_group(group, names) for group in found), key=lambda one: (one["tenant_id"], one["name"]))


def security_groups(call: Call[Compute]) -> Reply:
    found = _groups(call, everybody="all_tenants" in call.query() and call.ctx.is_admin)
    names = {group["id"]: group for group in found}
    return Reply({"security_groups": [_group(group, names) for group in found]})


def _missing_group(group_id: str) -> str:
    """What is said of one that is not there. Raises BadRequest for what cannot be one."""
    if not UUID.fullmatch(group_id):
        raise BadRequest("Security group id should be uuid")
    return f"Security group {group_id} not found."


def _load_group(call: Call[Compute], group_id: str) -> dict[str, Any]:
    missing = _missing_group(group_id)
    path = f"/security-groups/{quote(group_id, safe='')}"
    group: dict[str, Any] = _ask(call, "GET", path, missing=missing)["security_group"]
    return group


def security_group(call: Call[Compute], group_id: str) -> Reply:
    names = {group["id"]: group for group in _groups(call)}
    return Reply({"security_group": _group(_load_group(call, group_id), names)})


def _given_group(call: Call[Compute]) -> dict[str, str]:
    body = call.raw_json()
    inner = body.get("security_group") if isinstance(body, dict) and set(body) == {"security_group"} else None
    if not isinstance(inner, dict):
        raise BadRequest("Security group is an object with a name and a description.")
    for key in ("name", "description"):
        value = inner.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 255:
            if key == "description" and value in (None, ""):
                continue
            raise BadRequest(f"Security group {key} is not a string or unicode of 1 to 255 characters.")
    return {"name": inner["name"], "description": inner.get("description") or ""}


def create_security_group(call: Call[Compute]) -> Reply:
    given = {"security_group": _given_group(call)}
    created = _ask(call, "POST", "/security-groups", given)["security_group"]
    return Reply({"security_group": _group(created, {})})


def update_security_group(call: Call[Compute], group_id: str) -> Reply:
    given = {"security_group": _given_group(call)}
    _load_group(call, group_id)
    changed = _ask(call, "PUT", f"/security-groups/{quote(group_id, safe='')}", given)["security_group"]
    return Reply({"security_group": _group(changed, {group["id"]: group for group in _groups(call)})})


def delete_security_group(call: Call[Compute], group_id: str) -> Reply:
    missing = _missing_group(group_id)
    answer = peers.ask(call, "network", "DELETE", f"/v2.0/security-groups/{quote(group_id, safe='')}")
    if answer.status == 409:
        raise BadRequest(peers.message_of(answer))
    peers.require(answer, missing=missing)
    return Reply(status=202)


def create_rule(call: Call[Compute]) -> Reply:
    body = call.raw_json()
    given = body.get("security_group_rule") if isinstance(body, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get("parent_group_id"), str):
        raise BadRequest("Security group rule is an object with a parent_group_id.")
    if not UUID.match(given["parent_group_id"]):
        parent_id = given["parent_group_id"]
        raise BadRequest(
            f"Invalid input for field/attribute parent_group_id. Value: {parent_id}. '{parent_id}' is not a 'uuid'"
        )
    parent = _load_group(call, given["parent_group_id"])
    prefix, group_id = given.get("cidr"), given.get("group_id")
    rule = {
        "security_group_id": parent["id"],
        "direction": "ingress",
        "ethertype": "IPv6" if prefix and ":" in str(prefix) else "IPv4",
        "protocol": _protocol(given.get("ip_protocol")),
        "remote_ip_prefix": None if group_id else prefix or "0.0.0.0/0",
        "remote_group_id": group_id,
        **_ports(given),
    }
    answer = peers.ask(call, "network", "POST", "/v2.0/security-group-rules", json={"security_group_rule": rule})
    if answer.status == 409:
        raise BadRequest(peers.message_of(answer))
    created = peers.require(answer)["security_group_rule"]
    return Reply({"security_group_rule": _rule(created, {group["id"]: group for group in _groups(call)})})


def _protocol(value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in ("tcp", "udp", "icmp"):
        raise BadRequest(f"Invalid IP protocol {value}.")
    return value.lower()


def _ports(given: dict[str, Any]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for key, name in (("from_port", "port_range_min"), ("to_port", "port_range_max")):
        value = given.get(key)
        if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
            raise BadRequest(f"Invalid port range: {key} is {value}.")
        number = int(str(value))
        found[name] = None if number == -1 else number
        if not -1 <= number <= 65535:
            raise BadRequest(f"Invalid port range {given.get('from_port')}:{given.get('to_port')}.")
    return found


def delete_rule(call: Call[Compute], rule_id: str) -> Reply:
    missing = f"Rule {rule_id} not found."
    _ask(call, "DELETE", f"/security-group-rules/{quote(rule_id, safe='')}", missing=missing)
    return Reply(status=202)
