"""`/v2.1/servers/{id}/os-volume_attachments` (Compute API, Servers with volume attachments)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field
from sqlalchemy.engine import Row

from cumulet.compute import peers, views
from cumulet.compute.bodies import read, require_version
from cumulet.compute.clients import volume as client
from cumulet.compute.domain import attachments, block_devices
from cumulet.compute.handlers import server_access, volumes
from cumulet.compute.schemas.servers import DeviceTag, Uuid
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict, NotFound, ServiceUnavailable
from cumulet.kernel.http import Call, Reply
from cumulet.kernel.jobs import GiveUp, Retry

_POLICY: Final = "os-volumes-attachments"
_DEVICE: Final = re.compile(r"(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$")


class _New(Struct, forbid_unknown_fields=True):
    volume_id: Uuid = field(name="volumeId")
    device: str | None = None
    tag: DeviceTag | UnsetType = UNSET
    delete_on_termination: bool | UnsetType = UNSET


class _NewBody(Struct, forbid_unknown_fields=True):
    attachment: _New = field(name="volumeAttachment")


class _Changed(Struct, forbid_unknown_fields=True):
    volume_id: Uuid = field(name="volumeId")
    device: str | UnsetType | None = UNSET
    tag: Annotated[str, Meta(max_length=60)] | UnsetType | None = UNSET
    delete_on_termination: bool | UnsetType = UNSET
    server_id: str | UnsetType = field(name="serverId", default=UNSET)
    id: str | UnsetType = UNSET


class _ChangedBody(Struct, forbid_unknown_fields=True):
    attachment: _Changed = field(name="volumeAttachment")


def _view(call: Call[Compute], device: Row[Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"volumeId": device.volume_id, "serverId": device.server_id}
    if call.version < (2, 89):
        shown["id"] = device.volume_id
    if device.device_name:
        shown["device"] = device.device_name
    if call.version >= (2, 70):
        shown["tag"] = device.tag
    if call.version >= (2, 79):
        shown["delete_on_termination"] = device.delete_on_termination
    if call.version >= (2, 89):
        shown |= {"attachment_id": device.attachment_id, "bdm_uuid": device.id}
    return shown


def _is_shown(call: Call[Compute], device: Row[Any]) -> bool:
    """From 2.89 on, what has no attachment yet has nothing to show."""
    return device.volume_id is not None and (call.version < (2, 89) or device.attachment_id is not None)


def index(call: Call[Compute], server_id: str) -> Reply:
    views.require_known(call, ("limit", "offset"))
    limit, offset = volumes.slice_of(call)
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"{_POLICY}:index")
        found = block_devices.of_server(connection, row.id)
    shown = [_view(call, device) for device in found if _is_shown(call, device)]
    return Reply({"volumeAttachments": shown[offset : offset + limit]})


def show(call: Call[Compute], server_id: str, volume_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"{_POLICY}:show")
        device = block_devices.load(connection, row.id, volume_id)
    if not _is_shown(call, device):
        raise NotFound(f"Instance {row.id} is not attached to volume {volume_id}")
    return Reply({"volumeAttachment": _view(call, device)})


def create(call: Call[Compute], server_id: str) -> Reply:
    """The volume is reserved when this answers; a job attaches it."""
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"{_POLICY}:create")
    given = read(call, _NewBody).attachment
    _check(call, given)
    _require_version(call, row, "attach_volume")
    attachments.require_attachable(row, admin=call.ctx.is_admin)
    volume = volumes.load(call, given.volume_id)
    volumes.require_attachable(call, volume, row)
    ends_with_server = False if given.delete_on_termination is UNSET else given.delete_on_termination
    wish = attachments.Wish(
        volume_id=volume["id"],
        size_gb=volume["size"],
        device=given.device or None,
        tag=None if given.tag is UNSET else given.tag,
        delete_on_termination=ends_with_server,
    )
    entered = attachments.enter(call.service, call.ctx, row.id, wish)
    body = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": row.id}}
    answer = peers.ask(call, "volume", "POST", "/attachments", json=body, headers=volumes.HEADERS)
    if answer.status >= 300:
        attachments.forget(call.service, call.ctx, row.id, entered)
        peers.require(answer)
    made = answer.json()["attachment"]["id"]
    if not attachments.reserved(call.service, call.ctx, row.id, entered, made):
        _take_back(call, made)
        raise Conflict(f"The attachment of volume {volume['id']} took too long and was taken back.")
    if call.version >= (2, 101):
        return Reply(status=202)
    shown = {"id": volume["id"], "serverId": row.id, "volumeId": volume["id"], "device": entered.device}
    if call.version >= (2, 70):
        shown["tag"] = wish.tag
    if call.version >= (2, 79):
        shown["delete_on_termination"] = wish.delete_on_termination
    return Reply({"volumeAttachment": shown})


def _take_back(call: Call[Compute], attachment_id: str) -> None:
    try:
        client.detach(call.service.session, attachment_id)
    except (Retry, GiveUp) as error:
        raise ServiceUnavailable(error.reason) from None


_SINCE: Final = {"tag": (2, 49), "delete_on_termination": (2, 79)}


def _check(call: Call[Compute], given: _New) -> None:
    require_version(call, given, _SINCE)
    if given.device is not None and not _DEVICE.match(given.device):
        raise BadRequest(f"Invalid input for field/attribute device. Value: {given.device}.")


def _require_version(call: Call[Compute], row: Row[Any], verb: str) -> None:
    if row.vm_state in ("shelved", "shelved_offloaded") and call.version < (2, 20):
        raise Conflict(f"Cannot '{verb}' instance {row.id} while it is in vm_state {row.vm_state}")


def update(call: Call[Compute], server_id: str, volume_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:show")
    given = read(call, _ChangedBody).attachment
    require_version(call, given, dict.fromkeys(("device", "tag", "delete_on_termination", "server_id", "id"), (2, 85)))
    is_swap = call.version < (2, 85) or given.volume_id != volume_id
    if is_swap:
        call.service.policy.can(call.ctx, f"os_compute_api:{_POLICY}:swap", {})
    else:
        server_access.may(call, f"{_POLICY}:update", row)
    if call.version >= (2, 85):
        _change(call, row, volume_id, given)
    if is_swap:
        _swap(call, row, volume_id, given.volume_id)
    return Reply(status=202)


def _change(call: Call[Compute], row: Row[Any], volume_id: str, given: _Changed) -> None:
    with call.service.db.read() as connection:
        device = block_devices.load(connection, row.id, volume_id)
    for name, value, known in (
        ("id", given.id, volume_id),
        ("serverId", given.server_id, row.id),
        ("device", given.device, device.device_name),
        ("tag", given.tag, device.tag),
    ):
        if value is not UNSET and value != known:
            raise BadRequest(f"The {name} property is not mutable")
    if given.delete_on_termination is not UNSET:
        attachments.set_delete_on_termination(call.service, row.id, volume_id, given.delete_on_termination)


def _swap(call: Call[Compute], row: Row[Any], old_id: str, new_id: str) -> None:
    old = volumes.load(call, old_id)
    if not old.get("migration_status"):
        raise Conflict(f"volume {old_id} is not migrating; this API should only be called by Cinder")
    try:
        new = volumes.load(call, new_id)
    except NotFound as error:
        raise BadRequest(error.message) from None
    if old.get("multiattach") and len(old["attachments"]) > 1:
        raise BadRequest(
            f"Swapping multi-attach volumes with more than one read/write attachment is not supported: {old_id}"
        )
    if new["size"] < old["size"]:
        raise BadRequest(f"Invalid volume: New volume must be at least as large as the old one: {old['size']} GB.")
    # Where Volume itself moves a volume, the new one is only its other place, and the id stays.
    moves = new.get("migration_status") == f"target:{old_id}"
    wish = attachments.Swap(old_id, new_id, old_id if moves else new_id)
    attachments.swap(call.service, call.ctx, row.id, wish)


def delete(call: Call[Compute], server_id: str, volume_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"{_POLICY}:delete")
        _require_version(call, row, "detach_volume")
        device = block_devices.load(connection, row.id, volume_id)
    if device.boot_index == 0 and row.vm_state != "shelved_offloaded":
        raise BadRequest("Cannot detach a root device volume")
    volume = volumes.load(call, volume_id)
    if volume["status"] not in ("in-use", "reserved"):
        raise BadRequest(
            "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be "
            "'attached' to detach."
        )
    attachments.detach(call.service, call.ctx, row.id, volume_id)
    return Reply(status=202)
