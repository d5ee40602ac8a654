"""Servers that were deleted but can be restored for a while, and resizes that nobody confirms."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import moves, servers, tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs.work import Work, fails_to_error, handler
from cumulet.compute.service import Compute
from cumulet.compute.tables import migrations
from cumulet.compute.tables import servers as table
from cumulet.kernel.context import Context, new_request_id
from cumulet.kernel.jobs import Backoff, Job, JobRegistry

_SOFT, _RESTORE = "compute_soft_delete_instance", "compute_restore_instance"
_EVERY_S = 60.0
_SECOND = 1_000_000
_BATCH = 100


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(servers.SOFT_DELETE, handler(_soft_delete), on_failure=fails_to_error(_SOFT), backoff=backoff)
    registry.register(tasks.RESTORE.kind, handler(_restore), on_failure=fails_to_error(_RESTORE), backoff=backoff)
    registry.periodic("reclaim-servers", _EVERY_S, reclaim)
    registry.periodic("confirm-resizes", _EVERY_S, confirm_resizes)
    registry.periodic("offload-shelved", _EVERY_S, offload_shelved)


def _soft_delete(work: Work) -> None:
    row = work.row
    if row.vm_state not in ("shelved_offloaded",):
        work.insist(row.host, "stop", server_id=row.id)
    work.finish(_SOFT, vm_state="soft-delete", power_state=SHUTDOWN, deleted_at=work.compute.now())


def _restore(work: Work) -> None:
    work.ask(work.row.host, "start", server_id=work.row.id)
    work.finish(_RESTORE, vm_state="active", power_state=RUNNING, deleted_at=None)


def _system(project_id: str) -> Context:
    """Whom the history names for what the cloud does by itself."""
    return Context(request_id=new_request_id(), project_id=project_id, roles=("admin",))


def reclaim(job: Job, compute: Compute) -> None:
    """Delete for good what was deleted long enough ago."""
    interval = compute.conf.reclaim_instance_interval
    if interval <= 0:
        return
    before = compute.now() - interval * _SECOND
    query = sa.select(table.c.id, table.c.project_id).where(
        table.c.vm_state == "soft-delete",
        table.c.task_state.is_(None),
        sa.not_(table.c.deleted),
        table.c.deleted_at < before,
    )
    with compute.db.read() as connection:
        found = connection.execute(query.limit(_BATCH)).all()
    for row in found:
        job.check()
        servers.request_delete(compute, _system(row.project_id), row.id, action="forceDelete")


def confirm_resizes(job: Job, compute: Compute) -> None:
    window = compute.conf.resize_confirm_window
    if window <= 0:
        return
    before = compute.now() - window * _SECOND
    query = sa.select(migrations).where(migrations.c.status == "finished", migrations.c.updated_at < before)
    with compute.db.read() as connection:
        found = connection.execute(query.limit(_BATCH)).all()
    for move in found:
        job.check()
        _confirm(compute, move)


def _confirm(compute: Compute, move: Row[Any]) -> None:
    def enter(connection: Connection, row: Row[Any]) -> dict[str, Any]:
        moves.change(connection, move.uuid, compute.now(), status="confirming")
        return {"migration": move.uuid}

    with compute.db.read() as connection:
        row = servers.load_any(connection, move.server_id)
    if row is not None and row.vm_state == "resized" and row.task_state is None and not row.deleted:
        tasks.request(compute, _system(move.project_id), row.id, tasks.CONFIRM, prepare=enter)


def offload_shelved(job: Job, compute: Compute) -> None:
    after = compute.conf.shelved_offload_time
    if after <= 0:
        return
    query = sa.select(table.c.id, table.c.project_id).where(
        table.c.vm_state == "shelved",
        table.c.task_state.is_(None),
        sa.not_(table.c.deleted),
        table.c.updated_at < compute.now() - after * _SECOND,
    )
    with compute.db.read() as connection:
        found = connection.execute(query.limit(_BATCH)).all()
    for row in found:
        job.check()
        tasks.request(compute, _system(row.project_id), row.id, tasks.OFFLOAD)
