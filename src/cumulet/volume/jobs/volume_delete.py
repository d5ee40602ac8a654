"""Deleting a volume: its snapshots, its bytes, its row, in this order."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.jobs import DONE, FAILED, Job, JobRegistry, Retry, jobs_of
from cumulet.volume.domain import volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments, jobs, snapshots
from cumulet.volume.tables import volumes as table

_OVER = (DONE, FAILED)


def register(registry: JobRegistry) -> None:
    registry.register(volumes.DELETE, delete, on_failure=failed, backoff=backend.BACKOFF)


def delete(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
        others = jobs_of(connection, jobs, job.subject)
        own = _snapshots(connection, job.subject)
        held = connection.execute(sa.select(attachments).where(attachments.c.volume_id == job.subject)).all()
    if row is None or row.status != "deleting":
        return
    if any(one.id != job.id and one.state not in _OVER and one.kind not in volumes.AFTERWARDS for one in others):
        # They see at their next step that nobody wants the volume any more.
        raise Retry(0.2, "Other work on the volume has to end first.")
    if row.host is not None:
        for attachment in held:
            given = {"volume_id": backend.name_of(row), "attachment_id": attachment.id}
            backend.call(job, volume, row.host, "disconnect", given, step=attachment.id)
        for snapshot in own:
            given = {"snapshot_id": snapshot.id, "volume_id": backend.name_of(row)}
            backend.call(job, volume, row.host, "delete_snapshot", given, step=snapshot.id, timeout_s=backend.LONG_S)
        given = {"volume_id": backend.name_of(row)}
        backend.call(job, volume, row.host, "delete", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        _forget(volume, connection, row, own)
        job.complete(connection)


def _snapshots(connection: Connection, volume_id: str) -> list[Row[Any]]:
    query = sa.select(snapshots).where(snapshots.c.volume_id == volume_id).order_by(snapshots.c.created_at.desc())
    return list(connection.execute(query))


def _forget(volume: Volume, connection: Connection, row: Row[Any], own: list[Row[Any]]) -> None:
    """Rows that hang on it go with it; its keys too."""
    if volume.keys is not None:
        for each in (row, *own):
            if each.encryption_key_id is not None:
                volume.keys.delete(connection, each.encryption_key_id)
    connection.execute(sa.delete(snapshots).where(snapshots.c.volume_id == row.id))
    connection.execute(sa.delete(table).where(table.c.id == row.id, table.c.status == "deleting"))


def failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """`error_deleting`; its snapshots too, where they were to go with it."""
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is None or row.status != "deleting":
        return
    ending.error(volume, connection, job, row.id, reason, status="error_deleting")
    mine = sa.and_(snapshots.c.volume_id == row.id, snapshots.c.status == "deleting")
    changed = {"status": "error_deleting", "updated_at": volume.now()}
    connection.execute(sa.update(snapshots).where(mine).values(**changed))
