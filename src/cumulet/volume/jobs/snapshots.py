"""Making and deleting snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.jobs import DONE, FAILED, GiveUp, Job, JobRegistry, Retry, jobs_of
from cumulet.volume.domain import snapshots, volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs
from cumulet.volume.tables import snapshots as table


def register(registry: JobRegistry) -> None:
    registry.register(snapshots.CREATE, create, on_failure=create_failed, backoff=backend.BACKOFF)
    registry.register(snapshots.DELETE, delete, on_failure=delete_failed, backoff=backend.BACKOFF)


def create(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = snapshots.load_any(connection, job.subject)
        source = None if row is None else volumes.load_any(connection, row.volume_id)
    if row is None or row.status != "creating":
        return
    if source is None or source.host is None:
        raise GiveUp(f"Volume {row.volume_id} is on no back end.")
    given = {"snapshot_id": row.id, "volume_id": backend.name_of(source)}
    key = backend.key_of(volume, row.encryption_key_id)
    given |= {} if key is None else {"key": key}
    backend.call(job, volume, source.host, "create_snapshot", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        now = snapshots.load_any(connection, row.id, lock=True)
        if now is not None and now.status == "creating":
            snapshots.change(connection, row.id, volume.now(), status="available", progress="100%")
        job.complete(connection)


def create_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _failed(job, volume, connection, reason, "creating", "error")


def delete_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _failed(job, volume, connection, reason, "deleting", "error_deleting")


def _failed(job: Job, volume: Volume, connection: Connection, reason: str, during: str, status: str) -> None:
    row = snapshots.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == during:
        snapshots.change(connection, row.id, volume.now(), status=status)
        ending.tell(volume, connection, job, "VOLUME_SNAPSHOT", row.id, reason)


def delete(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = snapshots.load_any(connection, job.subject)
        source = None if row is None else volumes.load_any(connection, row.volume_id)
        others = jobs_of(connection, jobs, job.subject)
    if row is None or row.status != "deleting":
        return
    if any(one.id != job.id and one.state not in (DONE, FAILED) for one in others):
        raise Retry(0.2, "Other work on the snapshot has to end first.")
    if source is not None and source.host is not None:
        given = {"snapshot_id": row.id, "volume_id": backend.name_of(source)}
        backend.call(job, volume, source.host, "delete_snapshot", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        gone = sa.and_(table.c.id == row.id, table.c.status == "deleting")
        connection.execute(sa.delete(table).where(gone))
        job.complete(connection)
