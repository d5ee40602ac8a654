"""`POST /v2.1/servers` (Compute API, Create Server): everything is checked here, then entered in one transaction."""

from __future__ import annotations

import re
import secrets
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.compute.bodies import read, require_version
from cumulet.compute.domain import flavors, server_groups, servers, services
from cumulet.compute.handlers import block_devices, requested_groups, requested_networks, server_parts, server_views
from cumulet.compute.handlers.servers import address_of
from cumulet.compute.schemas.servers import SINCE, UNTIL, CreateBody, Hints, ServerFields
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.ids import uuid_id

_RESERVATION = "abcdefghijklmnopqrstuvwxyz0123456789"


class Place(NamedTuple):
    """Where the caller wants it; host and node are an administrator's."""

    zone: str | None
    host: str | None
    node: str | None
    forced: bool  # without asking the filters


def create(call: Call[Compute]) -> Reply:
    ctx = call.ctx
    call.service.policy.can(
        ctx, "os_compute_api:servers:create", {"project_id": ctx.project_id, "user_id": ctx.user_id}
    )
    body = read(call, CreateBody)
    given = body.server
    require_version(call, given, SINCE, UNTIL)
    server_parts.require_hostname(call, given.hostname)
    server_parts.require_distinct(given.trusted_image_certificates)
    hints = next((found for found in (body.hints, body.data_hints) if found is not UNSET), None)
    least, most = _counts(given)
    with call.service.db.read() as connection:
        flavor = _flavor(call, connection, given)
        key = server_parts.key_pair(connection, str(call.ctx.user_id), given.key_name or None)
        place = _place(call, connection, given)
        group_id = _group(call, connection, hints)
        server_parts.require_quota(call, connection, given.metadata, given.personality)
    disks = block_devices.resolve(call, given, flavor, most)
    networks = requested_networks.resolve(call, given, most)
    groups = requested_groups.resolve(call, given)
    reservation_id = "r-" + "".join(secrets.choice(_RESERVATION) for _ in range(8))
    base = _row(call, given, flavor, key, disks) | {
        "requested_zone": place.zone,
        "security_groups": servers.encode(groups),
        "reservation_id": reservation_id,
        "scheduler_hints": servers.encode(_hints(call)),
        "server_group_id": group_id,
    }
    rows = [base | _of_its_own(given, index, most) for index in range(most)]
    password = given.admin_pass if given.admin_pass is not UNSET else server_parts.new_password()
    payload = {
        "networks": networks,
        "host": place.host,
        "node": place.node,
        "forced": place.forced,
        "admin_password": password,
        # Volumes that are made for a server are its owner's: asked for in their name.
        "token": ctx.auth_token if disks.to_be_made else None,
    }
    try:
        servers.create(call.service, ctx, rows, payload, disks.rows)
    except Forbidden:
        if least == most:
            raise
        rows = rows[:least]
        servers.create(call.service, ctx, rows, payload, disks.rows)
    if given.return_reservation_id:
        return Reply({"reservation_id": reservation_id}, 202)
    return Reply({"server": _answer(call, password, rows[0])}, 202, _location(call, rows[0]["id"]))


def _location(call: Call[Compute], server_id: str) -> dict[str, str]:
    return {"Location": server_views.links(call, server_id)[0]["href"]}


def _answer(call: Call[Compute], password: str, row: dict[str, Any]) -> dict[str, Any]:
    answer = {
        "id": row["id"],
        "links": server_views.links(call, row["id"]),
        "OS-DCF:diskConfig": "AUTO" if row["auto_disk_config"] else "MANUAL",
        "security_groups": [{"name": name} for name in msgspec.json.decode(row["security_groups"])],
    }
    return answer | ({"adminPass": password} if call.service.conf.api.enable_instance_password else {})


def _counts(given: ServerFields) -> tuple[int, int]:
    least = 1 if given.min_count is UNSET else given.min_count
    most = least if given.max_count is UNSET else given.max_count
    if least > most:
        raise BadRequest("min_count must be <= max_count")
    if most > 1 and given.hostname is not UNSET:
        raise BadRequest("hostname cannot be given for more than one server.")
    return least, most


def _flavor(call: Call[Compute], connection: Connection, given: ServerFields) -> Row[Any]:
    wanted = str(given.flavor_ref).rstrip("/").rpartition("/")[2]
    try:
        return flavors.load(connection, wanted, call.ctx)
    except NotFound as error:
        raise BadRequest(error.message) from None


def _place(call: Call[Compute], connection: Connection, given: ServerFields) -> Place:
    zone, _, rest = (given.availability_zone or "").partition(":")
    host, _, node = rest.partition(":")
    target = {"project_id": call.ctx.project_id, "user_id": call.ctx.user_id}
    if host or node:
        call.service.policy.can(call.ctx, "os_compute_api:servers:create:forced_host", target)
    forced = bool(host or node)
    if given.host is not UNSET or given.hypervisor_hostname is not UNSET:
        if forced:
            raise BadRequest("Unable to specify host or hypervisor_hostname with a forced availability zone.")
        call.service.policy.can(call.ctx, "os_compute_api:servers:create:requested_destination", target)
        host = "" if given.host is UNSET else given.host
        node = "" if given.hypervisor_hostname is UNSET else given.hypervisor_hostname
        if not services.has_node(connection, host or None, node or None):
            raise BadRequest(f"Compute host {host or node} could not be found.")
    if zone and zone not in _zones(call, connection):
        raise BadRequest("The requested availability zone is not available")
    return Place(zone or None, host or None, node or None, forced)


def _zones(call: Call[Compute], connection: Connection) -> set[str]:
    return {*services.zones(connection).values(), str(call.service.conf.default_availability_zone)}


def _hints(call: Call[Compute]) -> dict[str, Any]:
    """The scheduler hints as they were given, unknown ones too: each a list, as they are shown."""
    body = call.raw_json()
    names = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")
    given: dict[str, Any] = next((body[name] for name in names if name in body), {})
    return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


def _group(call: Call[Compute], connection: Connection, hints: Any) -> str | None:
    if not isinstance(hints, Hints):
        return None
    for name in ("different_host", "same_host"):
        given = getattr(hints, name)
        for one in [given] if isinstance(given, str) else given or ():
            if not server_parts.UUID.match(one):
                raise BadRequest(f"Invalid input for field/attribute {name}. Value: {one}. It is no uuid.")
    if hints.group is None:
        return None
    try:
        return str(server_groups.load(connection, hints.group, call.ctx).id)
    except NotFound as error:
        raise BadRequest(error.message) from None


def _row(
    call: Call[Compute], given: ServerFields, flavor: Row[Any], key: Row[Any] | None, disks: block_devices.Disks
) -> dict[str, Any]:
    """The columns that all servers of one request share."""
    encode = servers.encode
    if given.user_data is not UNSET:
        server_parts.decoded("user_data", given.user_data)
    size, image = server_parts.size_of(flavor), server_parts.properties_of(disks.image)
    server_parts.require_sense(size, image)
    certificates = None if given.trusted_image_certificates is UNSET else given.trusted_image_certificates
    return {
        "project_id": call.ctx.project_id,
        "user_id": call.ctx.user_id,
        "description": None if given.description is UNSET else given.description,
        "deleted": False,
        "vm_state": "building",
        "task_state": "scheduling",
        "power_state": 0,
        "progress": 0,
        "flavor_id": flavor.id,
        "vcpus": flavor.vcpus,
        "memory_mb": flavor.memory_mb,
        "flavor": encode(size),
        "image_id": disks.image_id,
        "image_properties": encode(image),
        "key_name": given.key_name or None,
        "key_pairs": encode(server_parts.pairs_of(key)),
        "user_data": None if given.user_data is UNSET else encode(given.user_data),
        "config_drive": given.config_drive,
        "metadata": encode(given.metadata),
        "system_metadata": encode({"boot_roles": ",".join(call.ctx.roles)}),
        "tags": encode([] if given.tags is UNSET else list(dict.fromkeys(given.tags))),
        "addresses": "[]",
        "volumes": disks.short(),
        "personality": msgspec.json.encode([] if given.personality is UNSET else given.personality).decode(),
        "access_ip_v4": address_of("accessIPv4", given.access_ip_v4, 4) or None,
        "access_ip_v6": address_of("accessIPv6", given.access_ip_v6, 6) or None,
        "root_device_name": "/dev/vda",
        "locked": False,
        "auto_disk_config": given.disk_config == "AUTO",
        "trusted_image_certificates": None if certificates is None else encode(certificates),
        "generation": 0,
    }


def _of_its_own(given: ServerFields, index: int, count: int) -> dict[str, Any]:
    """The columns in which servers of one request differ."""
    server_id = uuid_id()
    name = given.name.strip()
    shown = f"{name}-{index + 1}" if count > 1 else name
    hostname = given.hostname if given.hostname is not UNSET else hostname_of(shown, server_id)
    return {"id": server_id, "name": shown, "hostname": hostname, "launch_index": index}


def hostname_of(name: str, server_id: str) -> str:
    """A host name out of a server's name; `Server-<id>` where nothing of it can be one."""
    text = re.sub(r"[^a-z0-9-]", "", re.sub(r"[ _.]", "-", name.lower())).strip("-")[:63].rstrip("-")
    return text or f"Server-{server_id}"
