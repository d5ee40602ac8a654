"""Making a server's disks anew from an image, and starting it from a rescue image and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.compute.clients import image, volume
from cumulet.compute.domain import block_devices, tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs import disks, guests
from cumulet.compute.jobs.work import Work, fails_to_error, handler
from cumulet.kernel.jobs import Backoff, GiveUp, JobRegistry

_REBUILD, _RESCUE, _UNRESCUE = "compute_rebuild_instance", "compute_rescue_instance", "compute_unrescue_instance"
_BUILD_S = 240.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(tasks.REBUILD.kind, handler(_rebuild), on_failure=fails_to_error(_REBUILD), backoff=backoff)
    registry.register(tasks.RESCUE.kind, handler(_rescue), on_failure=fails_to_error(_RESCUE), backoff=backoff)
    registry.register(tasks.UNRESCUE.kind, handler(_unrescue), on_failure=fails_to_error(_UNRESCUE), backoff=backoff)


def _rebuild(work: Work) -> None:
    image_id = work.payload.get("reimage")
    if image_id is not None and work.row.task_state != "rebuild_spawning":
        _refill_root(work, image_id)
    row = work.change(task_state="rebuild_spawning")
    root = None if image_id is None else disks.connect_one(work.job, work.compute, _root(work), row.host)
    guest = guests.describe(work.compute, row, admin_password=work.payload.get("admin_password"))
    work.ask(row.host, "rebuild", _BUILD_S, guest=guest)
    if root is not None:
        volume.complete(work.compute.session, root.attachment_id)
    after: dict[str, Any] = {"vm_state": "active", "power_state": RUNNING}
    if work.payload["was"] == "stopped":
        work.ask(row.host, "stop", server_id=row.id)
        after = {"vm_state": "stopped", "power_state": SHUTDOWN}
    work.finish(_REBUILD, launched_at=work.compute.now(), fault=None, progress=0, **after)


def _refill_root(work: Work, image_id: str) -> None:
    """Nobody may have the root volume open while Volume writes the image onto it."""
    row = work.change(task_state="rebuild_block_device_mapping")
    device = _root(work)
    work.insist(row.host, "stop", server_id=row.id)
    work.insist(row.host, "detach_volume", server_id=row.id, volume_id=device.volume_id)
    device = disks.forget_connection(work.job, work.compute, device)
    try:
        disks.reimage(work.job, work.compute, device, image_id)
    except GiveUp:
        # The guest has its disk again, so that the server can be started as it was where nothing was written.
        device = disks.connect_one(work.job, work.compute, device, row.host)
        work.insist(row.host, "attach_volume", server_id=row.id, disk=disks.disk(device))
        volume.complete(work.compute.session, device.attachment_id)
        raise


def _root(work: Work) -> Row[Any]:
    with work.compute.db.read() as connection:
        devices = block_devices.volumes_of(connection, work.row.id)
    found = next((one for one in devices if one.boot_index == 0), None)
    if found is None or found.volume_id is None:
        raise GiveUp("The server has no root volume.")
    return found


def _rescue(work: Work) -> None:
    row = work.row
    guest = guests.describe(work.compute, row, admin_password=work.payload.get("admin_password"))
    rescue_image = work.payload["image"]
    if rescue_image is not None:
        guest |= {"image_id": rescue_image, "image": image.show(work.compute.session, rescue_image)}
    work.ask(row.host, "rescue", _BUILD_S, guest=guest)
    work.finish(_RESCUE, vm_state="rescued", power_state=RUNNING, launched_at=work.compute.now())


def _unrescue(work: Work) -> None:
    work.ask(work.row.host, "unrescue", server_id=work.row.id)
    work.finish(_UNRESCUE, vm_state="active", power_state=RUNNING)
