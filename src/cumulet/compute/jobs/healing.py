"""Moves that nobody works on any more: their server's state was reset, or their job was lost.

The server is where its row says, except after a live migration whose guest has arrived. There its room, ports and
volumes are to be, and nothing of it elsewhere; the move, which holds room of its own in Placement, ends.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.compute.clients import placement
from cumulet.compute.domain import moves, servers, services
from cumulet.compute.domain.server_states import RUNNING
from cumulet.compute.jobs import disks, ports, turns
from cumulet.compute.jobs.work import insist
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.bus import BusError
from cumulet.kernel.jobs import Backoff, Job, JobRegistry, Retry, jobs_of

log = logging.getLogger(__name__)
_EVERY_S: Final = 60.0
_FORGOTTEN_US: Final = 600_000_000
_BATCH: Final = 100
_AGAIN_S: Final = 1.0
_QUESTION_S: Final = 30.0


def register(registry: JobRegistry) -> None:
    registry.register(moves.HEAL, heal, backoff=Backoff(0.5, 30.0))
    registry.periodic("heal-moves", _EVERY_S, find_forgotten)


def find_forgotten(job: Job, compute: Compute) -> None:
    before = compute.now() - _FORGOTTEN_US
    with compute.db.read() as connection:
        found = moves.forgotten(connection, before, _BATCH)
    for move in found:
        job.check()
        with compute.db.write() as connection:
            moves.enqueue_heal(connection, move)


def heal(job: Job, compute: Compute) -> None:
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        move = moves.by_uuid(connection, job.payload["migration"])
    if move is None or move.status in moves.OVER:
        return
    if row is None or row.deleted:
        placement.release(compute.session, move.uuid)
    else:
        _require_calm(job, compute, row, move)
        _settle(job, compute, row, move)
    with compute.db.write() as connection:
        moves.change(connection, move.uuid, compute.now(), status="error")
        job.complete(connection)


def _require_calm(job: Job, compute: Compute, row: Row[Any], move: Row[Any]) -> None:
    """Raises Retry while a job that lost its say has not noticed yet, or the server waits for another."""
    turns.await_turn(job, compute, turns.PLUGGING)
    with compute.db.read() as connection:
        at_work = [one for one in jobs_of(connection, jobs, row.id) if one.finished_at is None and one.id != job.id]
    if row.task_state is None and not any(move.uuid in one.payload for one in at_work):
        return
    if move.migration_type == moves.LIVE and row.task_state is None:
        try:
            args = {"server_id": row.id}
            compute.bus.call(move.source_compute, "compute.abort_live", args, timeout_s=_QUESTION_S, ctx=job.context())
        except BusError as error:
            log.info("server %s: its live migration need not be aborted: %s", row.id, error)
    raise Retry(_AGAIN_S, "The server is being worked on.")


def _settle(job: Job, compute: Compute, row: Row[Any], move: Row[Any]) -> None:
    resized = move.migration_type in ("resize", "migration")
    source, dest = move.source_compute, move.dest_compute
    elsewhere = dest not in (None, source)
    arrived = dest is not None and _is_there(job, compute, row, move)
    if arrived:
        row = _enter_host(job, compute, row, move)
    elif elsewhere:
        insist(job, compute, dest, "destroy" if resized else "cancel_live", server_id=row.id)
    if elsewhere:
        with compute.db.read() as connection:
            zone = services.zones(connection).get(row.host, str(compute.conf.default_availability_zone))
        ports.bind(compute, job, row, row.host, zone)
        disks.connect(job, compute, row, row.host)
    if arrived:
        _forget_source(job, compute, row, move, resized=resized)
    else:
        _return(job, compute, row, move, resized=resized)
    if elsewhere:
        disks.complete(job, compute, row)
        disks.let_go(job, compute, row)


def _forget_source(job: Job, compute: Compute, row: Row[Any], move: Row[Any], *, resized: bool) -> None:
    if resized:
        insist(job, compute, move.source_compute, "confirm_resize", server_id=row.id)
    placement.release(compute.session, move.uuid)


def _return(job: Job, compute: Compute, row: Row[Any], move: Row[Any], *, resized: bool) -> None:
    if resized and move.dest_compute is not None:
        wanted = {"volumes": disks.present(compute, row.id), "power_on": row.power_state == RUNNING}
        insist(job, compute, move.source_compute, "revert_resize", server_id=row.id, **wanted)
    owner = {"project_id": row.project_id, "user_id": row.user_id}
    placement.hand_over(compute.session, move.uuid, row.id, kind="INSTANCE", **owner)


def _is_there(job: Job, compute: Compute, row: Row[Any], move: Row[Any]) -> bool:
    """Whether the server is at the move's end."""
    if move.dest_compute == move.source_compute:
        return bool(row.flavor_id == move.new_flavor_id)
    if row.host == move.dest_compute or move.migration_type != moves.LIVE:
        return bool(row.host == move.dest_compute)
    return _has(job, compute, move.dest_compute, row.id) and not _has(job, compute, move.source_compute, row.id)


def _has(job: Job, compute: Compute, host: str, server_id: str) -> bool:
    try:
        return server_id in compute.bus.call(host, "compute.guests", {}, timeout_s=_QUESTION_S, ctx=job.context())
    except BusError as error:
        raise Retry(_AGAIN_S, f"Host {host} could not say which guests it has: {error}") from None


def _enter_host(job: Job, compute: Compute, row: Row[Any], move: Row[Any]) -> Row[Any]:
    if row.host == move.dest_compute:
        return row
    with compute.db.write() as connection:
        job.fence(connection)
        servers.change(connection, row.id, compute.now(), host=move.dest_compute, node=move.dest_node)
        found = servers.load_any(connection, row.id)
    assert found is not None
    return found
