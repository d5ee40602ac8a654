"""Taking over what a back end has, and letting it go."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.jobs import GiveUp, Job, JobRegistry
from cumulet.volume.domain import manageable, snapshots, volumes
from cumulet.volume.errors import OverLimit
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume
from cumulet.volume.tables import snapshots as snapshot_table
from cumulet.volume.tables import volumes as volume_table


def register(registry: JobRegistry) -> None:
    registry.register(manageable.MANAGE, manage, on_failure=manage_failed, backoff=backend.BACKOFF)
    registry.register(manageable.UNMANAGE, unmanage, on_failure=unmanage_failed, backoff=backend.BACKOFF)
    snapshot_failed = manage_snapshot_failed
    registry.register(manageable.MANAGE_SNAPSHOT, manage_snapshot, on_failure=snapshot_failed, backoff=backend.BACKOFF)
    forget_failed = unmanage_snapshot_failed
    registry.register(manageable.UNMANAGE_SNAPSHOT, unmanage_snapshot, on_failure=forget_failed)


def manage(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
    if row is None or row.status != "creating":
        return
    given = {"volume": {"id": row.id, "size_gb": 0}, "reference": job.payload["reference"]}
    made = backend.call(job, volume, row.host, "manage", given, timeout_s=backend.LONG_S)
    try:
        with volume.db.write() as connection:
            now = volumes.load_any(connection, row.id, lock=True)
            if now is not None and now.status == "creating":
                manageable.enter_size(volume, connection, now, made["size_gb"])
            job.complete(connection)
    except OverLimit as error:
        backend.call(job, volume, row.host, "unmanage", {"volume_id": row.id})
        raise GiveUp(error.message) from None


def manage_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "creating":
        ending.error(volume, connection, job, row.id, reason, status="error_managing")


def unmanage(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
    if row is None or row.status != "unmanaging":
        return
    if row.host is not None:
        given = {"volume_id": backend.name_of(row)}
        backend.call(job, volume, row.host, "unmanage", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        connection.execute(sa.delete(volume_table).where(volume_table.c.id == row.id))
        job.complete(connection)


def unmanage_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "unmanaging":
        ending.error(volume, connection, job, row.id, reason, status="error_unmanaging")


def manage_snapshot(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = snapshots.load_any(connection, job.subject)
        source = None if row is None else volumes.load_any(connection, row.volume_id)
    if row is None or row.status != "creating":
        return
    if source is None or source.host is None:
        raise GiveUp(f"Volume {row.volume_id} is on no back end.")
    given = {"snapshot_id": row.id, "volume_id": backend.name_of(source), "reference": job.payload["reference"]}
    made = backend.call(job, volume, source.host, "manage_snapshot", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        values = {"status": "available", "progress": "100%", "volume_size": made["size_gb"]}
        snapshots.change(connection, row.id, volume.now(), **values)
        job.complete(connection)


def manage_snapshot_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = snapshots.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "creating":
        snapshots.change(connection, row.id, volume.now(), status="error")
        ending.tell(volume, connection, job, "VOLUME_SNAPSHOT", row.id, reason)


def unmanage_snapshot(job: Job, volume: Volume) -> None:
    """The back end keeps it: nothing is asked of it."""
    with volume.db.write() as connection:
        gone = sa.and_(snapshot_table.c.id == job.subject, snapshot_table.c.status == "unmanaging")
        connection.execute(sa.delete(snapshot_table).where(gone))
        job.complete(connection)


def unmanage_snapshot_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = snapshots.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "unmanaging":
        snapshots.change(connection, row.id, volume.now(), status="error_unmanaging")
