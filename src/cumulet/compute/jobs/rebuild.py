"""Making a server's disks anew from an image, and starting it from a rescue image and back."""

from __future__ import annotations

from typing import Any

from cumulet.compute.clients import image
from cumulet.compute.domain import tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs import guests
from cumulet.compute.jobs.work import Work, fails_to_error, handler
from cumulet.kernel.jobs import Backoff, JobRegistry

_REBUILD, _RESCUE, _UNRESCUE = "compute_rebuild_instance", "compute_rescue_instance", "compute_unrescue_instance"
_BUILD_S = 240.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(tasks.REBUILD.kind, handler(_rebuild), on_failure=fails_to_error(_REBUILD), backoff=backoff)
    registry.register(tasks.RESCUE.kind, handler(_rescue), on_failure=fails_to_error(_RESCUE), backoff=backoff)
    registry.register(tasks.UNRESCUE.kind, handler(_unrescue), on_failure=fails_to_error(_UNRESCUE), backoff=backoff)


def _rebuild(work: Work) -> None:
    row = work.change(task_state="rebuild_spawning")
    guest = guests.describe(work.compute, row, admin_password=work.payload.get("admin_password"))
    work.ask(row.host, "rebuild", _BUILD_S, guest=guest)
    after: dict[str, Any] = {"vm_state": "active", "power_state": RUNNING}
    if work.payload["was"] == "stopped":
        work.ask(row.host, "stop", server_id=row.id)
        after = {"vm_state": "stopped", "power_state": SHUTDOWN}
    work.finish(_REBUILD, launched_at=work.compute.now(), fault=None, progress=0, **after)


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
