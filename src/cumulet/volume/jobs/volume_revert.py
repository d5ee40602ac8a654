"""Bringing a volume back to its latest snapshot."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.kernel.jobs import GiveUp, Job, JobRegistry
from cumulet.volume.domain import snapshots, volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume


def register(registry: JobRegistry) -> None:
    registry.register(volumes.REVERT, revert, on_failure=failed, backoff=backend.BACKOFF)


def revert(job: Job, volume: Volume) -> None:
    row = ending.still(volume, job)
    if row is None:
        return
    if row.host is None:
        raise GiveUp(f"Volume {row.id} is on no back end.")
    given: dict[str, Any] = {"volume_id": backend.name_of(row), "snapshot_id": job.payload["snapshot_id"]}
    key = backend.key_of(volume, row.encryption_key_id)
    given |= {} if key is None else {"key": key}
    backend.call(job, volume, row.host, "revert", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        ending.back(volume, connection, job)
        _free(volume, connection, job)
        job.complete(connection)


def _free(volume: Volume, connection: Connection, job: Job) -> None:
    snapshot = snapshots.load_any(connection, job.payload["snapshot_id"], lock=True)
    if snapshot is not None and snapshot.status == "restoring":
        snapshots.change(connection, snapshot.id, volume.now(), status="available")


def failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """The volume's bytes may be half one and half the other: `error`. The snapshot is whole."""
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is not None and row.generation == job.payload["generation"]:
        ending.error(volume, connection, job, row.id, reason)
    _free(volume, connection, job)
