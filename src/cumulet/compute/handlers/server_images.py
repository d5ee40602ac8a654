"""`createImage` and `createBackup`: the image is entered as the caller's own, a job has it filled."""

from __future__ import annotations

from typing import Any, Final

from cumulet.compute import peers
from cumulet.compute.bodies import convert
from cumulet.compute.domain import quotas, servers, tasks
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.server_actions import CreateBackup, CreateImage
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Forbidden
from cumulet.kernel.http import Call, Reply

_NOT_INHERITED: Final = (
    *("id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "os_hash_algo", "protected"),
    *(
        "os_hash_value",
        "os_hidden",
        "file",
        "schema",
        "self",
        "created_at",
        "updated_at",
        "min_ram",
        "min_disk",
        "tags",
    ),
    *("tags", "stores", "direct_url", "locations", "cache_in_nova", "bittorrent", "container_format", "disk_format"),
    *("img_signature", "img_signature_hash_method", "img_signature_certificate_uuid", "img_signature_key_type"),
    *("owner_specified.openstack.md5", "owner_specified.openstack.sha256", "owner_specified.openstack.object"),
)
_PREFIXES: Final = ("os_glance_", "cinder_encryption_key_")


def create_image(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, CreateImage)
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:create_image")
        limits = quotas.limits(call.service, connection, str(call.ctx.project_id))
    _require_few(body.metadata, limits["metadata_items"])
    tasks.require_allowed(row, tasks.SNAPSHOT, call.ctx)
    _require_local(row, "createImage")
    image_id = enter(call, row, body.name, "snapshot", body.metadata)
    request(call, row.id, tasks.SNAPSHOT, {"image": image_id})
    return _accepted(call, image_id)


def create_backup(call: Call[Compute], server_id: str, given: Any) -> Reply:
    body = convert(given, CreateBackup)
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "os-create-backup")
        limits = quotas.limits(call.service, connection, str(call.ctx.project_id))
    _require_few(body.metadata, limits["metadata_items"])
    if row.image_id is None:
        raise BadRequest("Backup is not supported for volume-backed instances.")
    tasks.require_allowed(row, tasks.BACKUP, call.ctx)
    image_id = enter(call, row, body.name, "backup", body.metadata | {"backup_type": body.backup_type})
    backup = {"type": body.backup_type, "rotation": body.rotation}
    request(call, row.id, tasks.BACKUP, {"image": image_id, "backup": backup})
    return _accepted(call, image_id if body.rotation else None)


def _require_few(metadata: dict[str, str], most: int) -> None:
    if 0 <= most < len(metadata):
        raise Forbidden(f"Maximum number of metadata items exceeds {most}")


def _require_local(row: Any, verb: str) -> None:
    if row.image_id is None:
        raise BadRequest(f"{verb} is not supported for volume-backed instances yet.")


def request(call: Call[Compute], server_id: str, task: tasks.Task, payload: dict[str, Any]) -> None:
    """When the server went another way meanwhile, the image goes too."""
    try:
        tasks.request(call.service, call.ctx, server_id, task, payload=payload)
    except Exception:
        if payload["image"] is not None:
            peers.ask(call, "image", "DELETE", f"/v2/images/{payload['image']}")
        raise


def _accepted(call: Call[Compute], image_id: str | None) -> Reply:
    if image_id is None:
        return Reply(status=202)
    if call.version >= (2, 45):
        return Reply({"image_id": image_id}, 202)
    return Reply(status=202, headers={"Location": f"{peers.endpoint(call, 'image')}/images/{image_id}"})


def enter(call: Call[Compute], row: Any, name: str, image_type: str, metadata: dict[str, str]) -> str:
    """Make an image without data, as the caller; returns its id. Raises what Image refuses it with."""
    base = servers.decode(row.image_properties)
    body: dict[str, Any] = {
        key: value
        for key, value in base.items()
        if key not in _NOT_INHERITED and not key.startswith(_PREFIXES) and isinstance(value, str)
    }
    flavor = servers.decode(row.flavor)
    body |= {
        "instance_uuid": row.id,
        "user_id": str(call.ctx.user_id),
        "image_type": image_type,
        "base_image_ref": row.image_id or "",
        "owner_project_name": str(call.ctx.project_name or ""),
        "owner_user_name": str(call.ctx.user_name or ""),
        "boot_roles": servers.decode(row.system_metadata).get("boot_roles", ""),
        **metadata,
        "name": name,
        "visibility": "private",
        "container_format": base.get("container_format") or "bare",
        "disk_format": _disk_format(base),
        "min_ram": base.get("min_ram") or 0,
        "min_disk": max(base.get("min_disk") or 0, flavor["disk"]),
    }
    body = {key: value for key, value in body.items() if value != "" or key in ("base_image_ref",)}
    answer = peers.ask(call, "image", "POST", "/v2/images", json=body)
    return str(peers.require(answer)["id"])


def _disk_format(base: dict[str, Any]) -> str:
    """Snapshots are in the base image's format where disks can be written in it."""
    found = str(base.get("disk_format") or "qcow2")
    return found if found in ("raw", "qcow2", "vmdk", "vdi") else "raw"
