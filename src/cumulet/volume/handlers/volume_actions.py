"""`POST /volumes/{id}/action` (Block Storage API, Volume actions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies, views
from cumulet.volume.bodies import boolean, convert
from cumulet.volume.domain import types, volume_actions, volumes
from cumulet.volume.handlers import manageable, volume_access, volume_admin, volume_attaching
from cumulet.volume.schemas.actions import Extend, ImageMetadata, MetadataKey, Reimage, Retype, Revert, Upload
from cumulet.volume.service import Volume

Action = Callable[[Call[Volume], str, Any], Reply]
_IMAGE_METADATA: Final = "volume_extension:volume_image_metadata"


def _extend(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """Of an attached volume from 3.42 on."""
    wanted = convert(given, Extend)
    row = volume_access.checked(call, volume_id, "volume:extend")
    online = call.version >= (3, 42)
    if online and row.status == "in-use":
        volume_access.may(call, "volume:extend_attached_volume", row)
    volume_actions.extend(call.service, call.ctx, volume_id, wanted.new_size, online=online)
    return Reply(status=202)


def _flag(given: Any, name: str) -> bool:
    if not isinstance(given, dict) or set(given) != {name} or given[name] is None:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {str(given)[:200]}. It is a boolean.")
    return boolean(given[name], name)


def _set_bootable(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    bootable = _flag(given, "bootable")
    volume_access.checked(call, volume_id, "volume:update")
    volume_actions.set_bootable(call.service, volume_id, bootable=bootable)
    return Reply(status=200)


def _update_readonly(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    readonly = _flag(given, "readonly")
    volume_access.checked(call, volume_id, "volume:update_readonly_flag")
    volume_actions.set_readonly(call.service, volume_id, readonly=readonly)
    return Reply(status=202)


def _retype(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, Retype)
    volume_access.checked(call, volume_id, "volume:retype")
    policy = wanted.migration_policy or "never"
    volume_actions.retype(call.service, call.ctx, volume_id, wanted.new_type, policy)
    return Reply(status=202)


def _upload(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """`visibility` and `protected` from 3.1 on."""
    wanted = convert(given, Upload)
    row = volume_access.checked(call, volume_id, "volume_extension:volume_actions:upload_image")
    newer = call.version >= (3, 1)
    if newer and wanted.visibility == "public":
        volume_access.may(call, "volume_extension:volume_actions:upload_public", row)
    values: dict[str, Any] = {
        "name": wanted.image_name,
        "disk_format": wanted.disk_format,
        "container_format": wanted.container_format,
    }
    if newer:
        values |= {"visibility": wanted.visibility, "protected": boolean(wanted.protected, "protected")}
    force = boolean(wanted.force, "force")
    image = volume_actions.upload(call.service, call.ctx, volume_id, values, force=force)
    with call.service.db.read() as connection:
        type_row = volumes.type_of(connection, row)
        now = volumes.load(connection, volume_id)
    shown: dict[str, Any] = {
        "id": volume_id,
        "updated_at": views.time(now.updated_at),
        "status": "uploading",
        "display_description": row.description,
        "size": row.size,
        "volume_type": None if type_row is None else _type_view(type_row),
        "image_id": image["id"],
        "container_format": wanted.container_format,
        "disk_format": wanted.disk_format,
        "image_name": wanted.image_name,
    }
    if newer:
        shown |= {"visibility": values["visibility"], "protected": values["protected"]}
    return Reply({"os-volume_upload_image": shown}, status=202)


def _type_view(row: Any) -> dict[str, Any]:
    """The type as the answer to an upload has it: more than anywhere else."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "is_public": row.is_public,
        "extra_specs": types.extra_specs(row),
        "qos_specs_id": row.qos_specs_id,
        "created_at": views.time(row.created_at),
        "updated_at": views.time(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


def _set_image_metadata(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, ImageMetadata)
    volume_access.checked(call, volume_id, f"{_IMAGE_METADATA}:set")
    return Reply({"metadata": volumes.edit_metadata(call.service, volume_id, "image", wanted.metadata)})


def _show_image_metadata(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    row = volume_access.checked(call, volume_id, f"{_IMAGE_METADATA}:show")
    return Reply({"metadata": volumes.metadata_of(row, "image")})


def _unset_image_metadata(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, MetadataKey)
    volume_access.checked(call, volume_id, f"{_IMAGE_METADATA}:remove")
    volumes.edit_metadata(call.service, volume_id, "image", {}, remove=wanted.key)
    return Reply(status=200)


def _revert(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """From 3.40."""
    _since(call, (3, 40))
    wanted = convert(given, Revert)
    volume_access.checked(call, volume_id, "volume:revert_to_snapshot")
    volume_actions.revert(call.service, call.ctx, volume_id, wanted.snapshot_id)
    return Reply(status=202)


def _reimage(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """From 3.68."""
    _since(call, (3, 68))
    wanted = convert(given, Reimage)
    reserved = boolean(wanted.reimage_reserved, "reimage_reserved")
    rule = "volume:reimage_reserved" if reserved else "volume:reimage"
    volume_access.checked(call, volume_id, rule)
    volume_actions.reimage(call.service, call.ctx, volume_id, wanted.image_id, reserved=reserved)
    return Reply(status=202)


def _since(call: Call[Volume], version: tuple[int, int]) -> None:
    if call.version < version:
        raise NotFound("The resource could not be found.")


ACTIONS: dict[str, Action] = {
    "os-extend": _extend,
    "os-set_bootable": _set_bootable,
    "os-update_readonly_flag": _update_readonly,
    "os-retype": _retype,
    "os-volume_upload_image": _upload,
    "os-set_image_metadata": _set_image_metadata,
    "os-show_image_metadata": _show_image_metadata,
    "os-unset_image_metadata": _unset_image_metadata,
    "revert": _revert,
    "os-reimage": _reimage,
    "os-reserve": volume_attaching.reserve,
    "os-unreserve": volume_attaching.unreserve,
    "os-begin_detaching": volume_attaching.begin_detaching,
    "os-roll_detaching": volume_attaching.roll_detaching,
    "os-attach": volume_attaching.attach,
    "os-detach": volume_attaching.detach,
    "os-force_detach": volume_attaching.force_detach,
    "os-initialize_connection": volume_attaching.initialize_connection,
    "os-terminate_connection": volume_attaching.terminate_connection,
    "os-reset_status": volume_admin.reset_status,
    "os-force_delete": volume_admin.force_delete,
    "os-migrate_volume": volume_admin.migrate,
    "os-migrate_volume_completion": volume_admin.migrate_completion,
    "os-extend_volume_completion": volume_admin.extend_completion,
    "os-unmanage": manageable.unmanage,
}
"""By the name in the body."""


def act(call: Call[Volume], volume_id: str) -> Reply:
    name, given = bodies.action(call, ACTIONS)
    return ACTIONS[name](call, volume_id, given)
