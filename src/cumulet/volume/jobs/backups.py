"""Making, restoring, importing and deleting backups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry
from cumulet.volume.domain import backups, services, snapshots, volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume
from cumulet.volume.tables import backups as table

_REASON = 255


def register(registry: JobRegistry) -> None:
    registry.register(backups.CREATE, create, on_failure=create_failed, backoff=backend.BACKOFF)
    registry.register(backups.RESTORE, restore, on_failure=restore_failed, backoff=backend.BACKOFF)
    registry.register(backups.DELETE, delete, on_failure=delete_failed, backoff=backend.BACKOFF)
    registry.register(backups.IMPORT, take, on_failure=create_failed, backoff=backend.BACKOFF)


def _wanted(volume: Volume, row: Row[Any], parents: list[Row[Any]], name: str, key: str | None) -> dict[str, Any]:
    """`protocols.Backup`."""
    given: dict[str, Any] = {
        "id": row.id,
        "volume_id": name,
        "size_gb": row.size,
        "parents": [{"id": one.id, "container": one.location, "digest": one.digest} for one in parents],
    }
    more = {"snapshot_id": row.snapshot_id, "digest": row.digest, "key": key}
    if row.digest is not None:
        more["container"] = row.location
    return given | {field: value for field, value in more.items() if value is not None}


def create(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = backups.load_any(connection, job.subject)
        source = None if row is None else volumes.load_any(connection, row.volume_id)
        parents = [] if row is None else backups.chain(connection, row)
    if row is None or row.status != "creating":
        return
    if source is None or source.host is None:
        raise GiveUp(f"Volume {row.volume_id} is on no back end.")
    key = backend.key_of(volume, row.encryption_key_id)
    given = {"backup": _wanted(volume, row, parents, backend.name_of(source), key)}
    made = backend.call(job, volume, source.host, "backup", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        now = backups.load_any(connection, row.id, lock=True)
        if now is not None and now.status == "creating":
            values = {"location": made["container"], "digest": made["digest"], "object_count": made["objects"]}
            values["container"] = row.container or made["container"]
            host = source.host.partition("@")[0]
            backups.change(connection, row.id, volume.now(), status="available", host=host, **values)
        _release(volume, connection, row)
        job.complete(connection)


def _release(volume: Volume, connection: Connection, row: Row[Any]) -> None:
    """What was backed up is as it was."""
    if row.snapshot_id is not None:
        snapshot = snapshots.load_any(connection, row.snapshot_id, lock=True)
        if snapshot is not None and snapshot.status == "backing-up":
            snapshots.change(connection, snapshot.id, volume.now(), status="available")
        return
    source = volumes.load_any(connection, row.volume_id, lock=True)
    if source is not None and source.status == "backing-up":
        volumes.change(connection, source.id, volume.now(), status=row.previous_status or "available")


def create_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = backups.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "creating":
        _error(job, volume, connection, row, reason)
        if row.previous_status is not None:
            _release(volume, connection, row)


def _error(job: Job, volume: Volume, connection: Connection, row: Row[Any], reason: str, status: str = "error") -> None:
    backups.change(connection, row.id, volume.now(), status=status, fail_reason=reason[:_REASON])
    ending.tell(volume, connection, job, "VOLUME_BACKUP", row.id, reason)


def restore(job: Job, volume: Volume) -> None:
    volume_id = job.payload["volume_id"]
    with volume.db.read() as connection:
        row = backups.load_any(connection, job.subject)
        target = volumes.load_any(connection, volume_id)
        parents = [] if row is None else backups.chain(connection, row)
    if row is None or row.status != "restoring":
        return
    if target is None or target.status in ("error", "deleting", "error_deleting"):
        raise GiveUp(f"Volume {volume_id} cannot be restored to.")
    if target.status in ("creating", "downloading"):
        raise Retry(0.1, "The volume is being made.")
    _begin_restoring(job, volume, target)
    fill(job, volume, target, str(target.host), row, parents)
    with volume.db.write() as connection:
        now = volumes.load_any(connection, volume_id, lock=True)
        if now is not None and now.status == "restoring-backup":
            volumes.change(connection, volume_id, volume.now(), status="available")
        backups.change(connection, row.id, volume.now(), status="available")
        job.complete(connection)


def _begin_restoring(job: Job, volume: Volume, target: Row[Any]) -> None:
    """A new volume is not its user's before its bytes are there."""
    if target.status == "restoring-backup":
        return
    with volume.db.write() as connection:
        job.fence(connection)
        now = volumes.load_any(connection, target.id, lock=True)
        if now is None or now.status != "available":
            raise Retry(0.2, "The volume is being changed.")
        volumes.change(connection, target.id, volume.now(), status="restoring-backup")


def fill(job: Job, volume: Volume, target: Row[Any], host: str, row: Row[Any], parents: list[Row[Any]]) -> None:
    """Write a backup's bytes into a volume that is there."""
    given: dict[str, Any] = {
        "backup": _wanted(volume, row, parents, row.volume_id, None),
        "volume_id": backend.name_of(target),
    }
    key = backend.key_of(volume, target.encryption_key_id)
    given |= {} if key is None else {"key": key}
    backend.call(job, volume, host, "restore", given, timeout_s=backend.LONG_S)


def restore_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = backups.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "restoring":
        _error(job, volume, connection, row, reason, status="available")
    target = volumes.load_any(connection, job.payload["volume_id"], lock=True)
    if target is not None and target.status in ("restoring-backup", "available", "creating"):
        volumes.change(connection, target.id, volume.now(), status="error_restoring")


def take(job: Job, volume: Volume) -> None:
    """An imported record: the files are where it says, and are what it says."""
    with volume.db.read() as connection:
        row = backups.load_any(connection, job.subject)
        parents = [] if row is None else backups.chain(connection, row)
        host = row.host if row is not None and row.host else _any_host(volume, connection)
    if row is None or row.status != "creating":
        return
    if row.parent_id is not None and not parents:
        raise GiveUp(f"Backup {row.parent_id}, which this one builds upon, has to be imported first.")
    given = {"backup": _wanted(volume, row, parents, row.volume_id, None)}
    backend.call(job, volume, host, "verify_backup", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        backups.change(connection, row.id, volume.now(), status="available", host=host)
        job.complete(connection)


def _any_host(volume: Volume, connection: Connection) -> str:
    for one in services.find(connection, binary="cinder-backup"):
        if services.is_up(volume, one):
            return str(one.host)
    raise GiveUp("No host keeps backups.")


def delete(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = backups.load_any(connection, job.subject)
    if row is None or row.status != "deleting":
        return
    if row.host is not None:
        given = {"backup": _wanted(volume, row, [], row.volume_id, None)}
        backend.call(job, volume, row.host, "delete_backup", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        if row.encryption_key_id is not None and volume.keys is not None:
            volume.keys.delete(connection, row.encryption_key_id)
        connection.execute(sa.delete(table).where(table.c.id == row.id, table.c.status == "deleting"))
        job.complete(connection)


def delete_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = backups.load_any(connection, job.subject, lock=True)
    if row is not None and row.status == "deleting":
        _error(job, volume, connection, row, reason, status="error_deleting")
