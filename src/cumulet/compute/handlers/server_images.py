"""`createImage` and `createBackup`: the image is entered as the caller's own, a job has it filled."""

from __future__ import annotations

from typing import Any, Final

from cumulet.compute import peers
from cumulet.compute.bodies import convert
from cumulet.compute.domain import block_devices, instance_actions, quotas, servers, tasks
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
    if row.image_id is None:
        return _accepted(call, _of_volumes(call, row, body))
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


def _of_volumes(call: Call[Compute], row: Any, body: CreateImage) -> str:
    """An image without data that says from which snapshots its servers' volumes are made; returns its id."""
    compute = call.service
    with compute.db.read() as connection:
        devices = [one for one in block_devices.volumes_of(connection, row.id) if one.volume_id is not None]
    mapping = [_snapshot(call, body.name, device) for device in devices]
    properties = {
        "bdm_v2": "True",
        "root_device_name": row.root_device_name or "/dev/vda",
        "block_device_mapping": servers.encode(mapping),
        **body.metadata,
    }
    image_id = enter(call, row, body.name, "snapshot", properties)
    headers = {"Content-Type": "application/octet-stream"}
    peers.require(peers.ask(call, "image", "PUT", f"/v2/images/{image_id}/file", headers=headers))
    with compute.db.write() as connection:
        action_id = servers.begin(compute, connection, call.ctx, row.id, tasks.SNAPSHOT.action)
        now = compute.now()
        event = "api_snapshot_instance"
        instance_actions.event(connection, action_id, event, started=now, now=now, host=row.host)
    return image_id


def _snapshot(call: Call[Compute], name: str, device: Any) -> dict[str, Any]:
    """Have Volume keep one volume as it is now; returns the disk of a server made from it."""
    wanted = {"volume_id": device.volume_id, "name": f"snapshot for {name}", "description": "", "force": True}
    made = peers.require(peers.ask(call, "volume", "POST", "/snapshots", json={"snapshot": wanted}))["snapshot"]
    kept = ("boot_index", "device_name", "device_type", "disk_bus", "guest_format", "delete_on_termination", "tag")
    return {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": made["id"],
        "volume_size": made["size"],
        "volume_id": None,
        "image_id": None,
        "no_device": None,
        **{name: getattr(device, name) for name in kept},
    }


def request(call: Call[Compute], server_id: str, task: tasks.Task, payload: dict[str, Any]) -> None:
    """When the server went another way meanwhile, the image goes too."""
    try:
        tasks.request(call.service, call.ctx, server_id, task, payload=payload)
    except Exception:  # for whatever reason: an image without its job would stay queued
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
