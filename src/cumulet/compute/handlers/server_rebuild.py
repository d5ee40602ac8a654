"""`rebuild`, `rescue`, `unrescue`: a server that starts from another disk."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.compute import peers
from cumulet.compute.bodies import convert, require_version
from cumulet.compute.domain import server_groups, servers, services, tasks
from cumulet.compute.handlers import server_access, server_parts, server_views, server_volumes, volumes
from cumulet.compute.handlers.servers import address_of
from cumulet.compute.schemas.server_actions import REBUILD_SINCE, REBUILD_UNTIL, Rebuild, Rescue
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.http import Call, Reply

_REIMAGE_SINCE: Final = (2, 93)
_STABLE_SINCE: Final = (2, 87)
_STABLE: Final = ("hw_rescue_bus", "hw_rescue_device")
_GB: Final = 1 << 30


def rebuild(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, Rebuild)
    require_version(call, body, REBUILD_SINCE, REBUILD_UNTIL)
    server_parts.require_hostname(call, body.hostname)
    server_parts.require_distinct(body.trusted_image_certificates)
    if body.user_data not in (UNSET, None):
        server_parts.decoded("user_data", str(body.user_data))
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:rebuild")
        tasks.require_allowed(row, tasks.REBUILD, call.ctx)
        values = _columns(call, connection, row, body)
    image_id = body.image_ref.rstrip("/").rpartition("/")[2]
    size = servers.decode(row.flavor)
    on_volume = row.image_id is None
    root_gb, missing = 0 if on_volume else size["disk"], "Cannot find image for rebuild"
    image = server_parts.image(call, image_id, ram_mb=size["ram"], root_gb=root_gb, missing=missing)
    attached = server_volumes.load(call, row.id)
    task, reimage = tasks.REBUILD, None
    if on_volume:
        _require_root_for(call, attached, image, body)
        if call.version >= _REIMAGE_SINCE:
            task, reimage = tasks.REIMAGE, image["id"]
    for one in attached:
        volumes.require_in_use(one.volume)
    values |= {"image_properties": servers.encode(server_parts.properties_of(image))}
    values |= {} if on_volume else {"image_id": image["id"]}
    password = server_parts.new_password() if body.admin_pass is UNSET else body.admin_pass
    payload = {"was": row.vm_state, "admin_password": password, "preserve_ephemeral": body.preserve_ephemeral}
    row = tasks.request(call.service, call.ctx, row.id, task, payload=payload | {"reimage": reimage}, values=values)
    return _rebuilt(call, row, str(password))


def _require_root_for(
    call: Call[Compute], attached: list[server_volumes.Attached], image: dict[str, Any], body: Rebuild
) -> None:
    """Raises BadRequest for an image that the root volume cannot get."""
    if body.trusted_image_certificates not in (UNSET, None):
        raise BadRequest("Image certificate validation is not supported for volume-backed servers.")
    root = server_volumes.root_of(attached)
    known = (root.get("volume_image_metadata") or {}).get("image_id")
    if known != image["id"] and call.version < _REIMAGE_SINCE:
        raise BadRequest(
            f"Image {image['id']} is unacceptable: Unable to rebuild with a different image for a volume-backed server."
        )
    if (image.get("min_disk") or 0) > root["size"]:
        raise BadRequest(
            f"Volume is smaller than the minimum size specified in image metadata. Volume size is "
            f"{root['size'] * _GB} bytes, minimum size is {image['min_disk'] * _GB} bytes."
        )


def _rebuilt(call: Call[Compute], row: Row[Any], password: str) -> Reply:
    with call.service.db.read() as connection:
        groups = server_groups.of_server(connection, row.id) if call.version >= (2, 71) else None
        states = services.host_states(call.service, connection, [row.host]) if call.version >= (2, 75) else {}
    seen = server_views.rights(call, row.project_id)
    shown = server_views.detailed(call, row, seen, states, extended=False, groups=groups)
    shown.pop("OS-EXT-SRV-ATTR:user_data", None)
    if call.version >= (2, 54):
        shown["key_name"] = row.key_name
    if call.version >= (2, 57):
        shown["user_data"] = servers.decode(row.user_data)
    if call.service.conf.api.enable_instance_password:
        shown["adminPass"] = password
    return Reply({"server": shown}, 202, {"Location": server_views.links(call, row.id)[0]["href"]})


def _columns(call: Call[Compute], connection: Connection, row: Row[Any], body: Rebuild) -> dict[str, Any]:
    """What a rebuild changes beside the disks."""
    server_parts.require_quota(call, connection, body.metadata, body.personality)
    wanted: dict[str, Any] = {
        "name": body.name.strip() if isinstance(body.name, str) else UNSET,
        "description": body.description,
        "hostname": body.hostname,
        "access_ip_v4": address_of("accessIPv4", body.access_ip_v4, 4),
        "access_ip_v6": address_of("accessIPv6", body.access_ip_v6, 6),
        "auto_disk_config": UNSET if body.disk_config is UNSET else body.disk_config == "AUTO",
        "metadata": UNSET if body.metadata is UNSET else servers.encode(body.metadata),
        "user_data": body.user_data if body.user_data in (UNSET, None) else servers.encode(body.user_data),
        "personality": UNSET if body.personality is UNSET else servers.encode(body.personality),
    }
    if body.trusted_image_certificates is not UNSET:
        certificates = body.trusted_image_certificates
        wanted["trusted_image_certificates"] = None if certificates is None else servers.encode(certificates)
    if body.key_name is not UNSET:
        wanted |= _key(connection, row, body.key_name)
    return {name: value for name, value in wanted.items() if value is not UNSET}


def _key(connection: Connection, row: Row[Any], name: str | None) -> dict[str, Any]:
    """Another key pair of the server's owner, or none."""
    pair = server_parts.key_pair(connection, row.user_id, name)
    return {"key_name": name, "key_pairs": servers.encode(server_parts.pairs_of(pair))}


def rescue(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = Rescue() if given is None else convert(given, Rescue)
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-rescue")
    tasks.require_allowed(row, tasks.RESCUE, call.ctx)
    image = None if body.rescue_image_ref is UNSET else _rescue_image(call, body.rescue_image_ref)
    attached = server_volumes.load(call, row.id)
    for one in attached:
        try:
            volumes.require_in_use(one.volume)
        except BadRequest as error:
            raise Conflict(error.message) from None
    image_id = None if image is None else image["id"]
    if row.image_id is None:
        image_id = _require_stable(call, row, image)
    password = server_parts.new_password() if body.admin_pass is UNSET else body.admin_pass
    payload = {"image": image_id, "admin_password": password}
    tasks.request(call.service, call.ctx, row.id, tasks.RESCUE, payload=payload)
    return Reply({"adminPass": password} if call.service.conf.api.enable_instance_password else {}, 200)


def _rescue_image(call: Call[Compute], image_id: str) -> dict[str, Any]:
    refusal = f"Requested rescue image '{image_id}' is not supported"
    answer = peers.ask(call, "image", "GET", f"/v2/images/{image_id}")
    if answer.status == 404:
        raise BadRequest(refusal)
    found: dict[str, Any] = peers.require(answer)
    if found.get("block_device_mapping"):  # a snapshot of volumes has no data of its own
        raise BadRequest(refusal)
    return found


def _require_stable(call: Call[Compute], row: Row[Any], image: dict[str, Any] | None) -> str:
    """A server on a volume is rescued with its disks left where they are: the image must say how. Returns its id."""
    known = servers.decode(row.image_properties) if image is None else image
    image_id = known.get("id") or known.get("image_id")
    if call.version < _STABLE_SINCE or image_id is None or not all(known.get(name) for name in _STABLE):
        raise BadRequest(f"Instance {row.id} cannot be rescued: Cannot rescue a volume-backed instance")
    return str(image_id)


def unrescue(call: Call[Compute], server_id: str, given: Any) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-unrescue")
    tasks.request(call.service, call.ctx, row.id, tasks.UNRESCUE)
    return Reply(status=202)
