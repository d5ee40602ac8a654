"""Live migration: a running server changes its host."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import placement
from cumulet.compute.domain import moves, servers, tasks
from cumulet.compute.jobs import disks, ending, guests, moving
from cumulet.compute.jobs.work import Work, handler, is_for
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry

_LIVE = "compute_live_migration"
_MOVE_S = 3500.0
ABORTED = "The live migration was aborted."


def register(registry: JobRegistry) -> None:
    registry.register(tasks.LIVE.kind, handler(_live), on_failure=_failed, backoff=Backoff(0.2, 5.0))


def _live(work: Work) -> None:
    move = moving.take_room(work, status="preparing", task_state="migrating")
    row, source, dest = work.row, move.source_compute, move.dest_compute
    if not has_arrived(work, move):
        _require_wanted(work)
        disks.connect(work.job, work.compute, row, dest)
        guest = guests.describe(work.compute, row)
        copy = work.payload["copy_disks"]
        copies = row.image_id is not None if copy is None else copy
        target = work.ask(dest, "prepare_live", guest=guest, copy_disks=copies)
        work.change(moving.end_move(work, move.uuid, "running"))
        work.ask(source, "live_migrate", _MOVE_S, server_id=row.id, target=target)
    settle(work, move)


def has_arrived(work: Work, move: Row[Any]) -> bool:
    """Whether the guest has left its host, whatever was heard of it."""
    return move.status == "running" and work.row.id not in work.look_at(move.source_compute, "guests")


def settle(work: Work, move: Row[Any]) -> None:
    """It runs there now, whatever comes."""
    dest = move.dest_compute
    moving.go_to(work, dest)
    moving.settle(work)
    placement.release(work.compute.session, move.uuid)
    after: dict[str, Any] = moving.arrive(work, move)
    work.finish(_LIVE, dest, moving.end_move(work, move.uuid, "completed"), progress=0, **after)


def _require_wanted(work: Work) -> None:
    if moves.is_aborted(moving.move_of(work)):
        raise GiveUp(ABORTED)


def _failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or not is_for(job, row):
        return
    move = moves.load(connection, job.payload["migration"])
    status = "cancelled" if moves.is_aborted(move) else "error"
    ending.enter_event(compute, connection, job, _LIVE, row.host, reason)
    end = {"vm_state": row.vm_state, "status": status, "reason": reason}
    tasks.follow(compute, connection, row, tasks.UNDO, {"migration": move.uuid, "end": end})
