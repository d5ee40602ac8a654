"""Resize and cold migration: to another flavor or host, then confirmed or taken back; evacuation from a dead host.

Until it is confirmed the source keeps the guest as it was, and the move (a consumer of its own in Placement) holds the
room it needs there.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.compute.clients import placement
from cumulet.compute.domain import moves, servers, tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs import ending, guests, live, moving
from cumulet.compute.jobs.work import Work, fails_back, fails_to_error, handler
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Backoff, Job, JobRegistry

_RESIZE = "compute_finish_resize"
_CONFIRM, _REVERT = "compute_confirm_resize", "compute_finish_revert_resize"
_EVACUATE = "compute_rebuild_instance"
_COPY_S = 3000.0
_BUILD_S = 240.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(tasks.RESIZE.kind, handler(_move), on_failure=moving.failed(_RESIZE), backoff=backoff)
    registry.register(tasks.CONFIRM.kind, handler(_confirm), on_failure=_confirming_failed, backoff=backoff)
    registry.register(tasks.REVERT.kind, handler(_revert), on_failure=fails_to_error(_REVERT), backoff=backoff)
    evacuation_failed = moving.failed(_EVACUATE, status="failed", vm_state="error")
    registry.register(tasks.EVACUATE.kind, handler(_evacuate), on_failure=evacuation_failed, backoff=backoff)
    registry.register(tasks.UNDO, handler(_undo), on_failure=fails_to_error(_REVERT), backoff=backoff)


def _move(work: Work) -> None:
    flavor = work.payload["flavor"]
    move = moving.take_room(work, status="migrating", task_state="resize_migrating", flavor=flavor)
    on = work.row.vm_state == "active"
    if move.dest_compute == move.source_compute:
        guest = guests.describe(work.compute, work.row) | {"flavor": flavor}
        work.ask(move.dest_compute, "resize", _COPY_S, guest=guest, power_on=on)
    else:
        _carry(work, move, flavor, power_on=on)
    kept = servers.decode(work.row.system_metadata) | {"old_vm_state": work.row.vm_state}
    after: dict[str, Any] = {
        "vm_state": "resized",
        "power_state": RUNNING if on else SHUTDOWN,
        "launched_at": work.compute.now(),
        "old_flavor": work.row.flavor,
        "new_flavor": None,
        "system_metadata": servers.encode(kept),
        **moving.size_of(flavor),
        **moving.arrive(work, move),
    }
    work.finish(_RESIZE, move.dest_compute, moving.end_move(work, move.uuid, "finished"), **after)


def _carry(work: Work, move: Any, flavor: dict[str, Any], *, power_on: bool) -> None:
    offer = work.ask(move.source_compute, "send", _COPY_S, server_id=work.row.id)
    work.change(moving.end_move(work, move.uuid, "post-migrating"), task_state="resize_migrated")
    moving.go_to(work, move.dest_compute)
    row = work.change(task_state="resize_finish")
    guest = guests.describe(work.compute, row) | {"flavor": flavor}
    work.ask(move.dest_compute, "receive", _COPY_S, guest=guest, offer=offer, power_on=power_on)
    moving.settle(work)


def _confirm(work: Work) -> None:
    move = moving.move_of(work)
    work.insist(move.source_compute, "confirm_resize", server_id=work.row.id)
    moving.settle(work)
    placement.release(work.compute.session, move.uuid)
    work.finish(_CONFIRM, move.source_compute, moving.end_move(work, move.uuid, "confirmed"), **_as_before(work))


def _confirming_failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """It can be confirmed again, or taken back."""
    fails_back(_CONFIRM)(job, compute, connection, reason)
    moves.change(connection, job.payload["migration"], compute.now(), status="finished")


def _as_before(work: Work) -> dict[str, Any]:
    """The state from before the resize."""
    kept = servers.decode(work.row.system_metadata)
    after = moving.power_after(kept.pop("old_vm_state", "active"))
    return {**after, "old_flavor": None, "new_flavor": None, "system_metadata": servers.encode(kept)}


def _revert(work: Work) -> None:
    move = moving.move_of(work)
    after = _as_before(work)
    moving.go_back(work, move, power_on=after["vm_state"] == "active")
    if work.row.old_flavor is not None:
        after |= moving.size_of(servers.decode(work.row.old_flavor))
    home = {
        "host": move.source_compute,
        "node": move.source_node,
        "availability_zone": moving.zone_of(work, move.source_compute),
        "launched_at": work.compute.now(),
    }
    work.finish(_REVERT, move.source_compute, moving.end_move(work, move.uuid, "reverted"), **home, **after)


def _evacuate(work: Work) -> None:
    move = moving.take_room(work, status="pre-migrating", task_state="rebuilding")
    moving.go_to(work, move.dest_compute)
    row = work.change(task_state="rebuild_spawning")
    guest = guests.describe(work.compute, row, admin_password=work.payload.get("admin_password"))
    work.ask(move.dest_compute, "spawn", _BUILD_S, guest=guest)
    after: dict[str, Any] = {"vm_state": "active", "power_state": RUNNING}
    if work.payload["stopped"]:
        work.ask(move.dest_compute, "stop", server_id=row.id)
        after = {"vm_state": "stopped", "power_state": SHUTDOWN}
    moving.settle(work)
    placement.release(work.compute.session, move.uuid)
    after |= moving.arrive(work, move) | {"launched_at": work.compute.now(), "fault": None}
    # What is still there on the dead host is destroyed when its agent reports again.
    work.finish(_EVACUATE, move.dest_compute, moving.end_move(work, move.uuid, "done"), **after)


def _undo(work: Work) -> None:
    """After a failure: where it was and as it was, with the reason."""
    move, end = moving.move_of(work), work.payload["end"]
    if move.migration_type == moves.LIVE and live.has_arrived(work, move):
        live.settle(work, move)
        return
    resized = move.migration_type in ("resize", "migration")
    moving.go_back(work, move, power_on=end["vm_state"] == "active", restart=resized)
    flavor = servers.decode(work.row.flavor)

    def complete(connection: Connection) -> None:
        moves.change(connection, move.uuid, work.compute.now(), status=end["status"])
        work.job.complete(connection)

    work.change(
        complete,
        task_state=None,
        vm_state=end["vm_state"],
        progress=0,
        new_flavor=None,
        fault=ending.fault(work.compute, end["reason"]),
        **moving.size_of(flavor),
    )
