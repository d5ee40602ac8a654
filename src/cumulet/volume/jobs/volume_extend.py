"""Making volumes larger, also while guests use them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry
from cumulet.volume.clients import compute
from cumulet.volume.domain import attaching, volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.service import Volume


def register(registry: JobRegistry) -> None:
    registry.register(volumes.EXTEND, extend, on_failure=failed, backoff=backend.BACKOFF)


def extend(job: Job, volume: Volume) -> None:
    row = ending.still(volume, job)
    if row is None:
        return
    if row.host is None:
        raise GiveUp(f"Volume {row.id} is on no back end.")
    given: dict[str, Any] = {"volume_id": backend.name_of(row), "size_gb": job.payload["size"]}
    key = backend.key_of(volume, row.encryption_key_id)
    given |= {} if key is None else {"key": key}
    done = backend.call(job, volume, row.host, "extend", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.generation == job.payload["generation"]:
            volumes.change(connection, row.id, volume.now(), size=job.payload["size"], growing_gb=0)
    if done.get("online"):  # Compute asks what size it has now
        _tell_guests(volume, row)
    with volume.db.write() as connection:
        ending.back(volume, connection, job)
        job.complete(connection)


def _tell_guests(volume: Volume, row: Row[Any]) -> None:
    """The hypervisors have to make the new size visible."""
    with volume.db.read() as connection:
        servers = [each.instance_id for each in attaching.of(connection, row.id) if each.instance_id is not None]
    if not servers:
        return
    try:
        compute.tell_extended(volume.session, servers, row.id)
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The compute service does not answer: {error}") from None


def failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """`error_extending`; what was not grown does not count against the quota."""
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is not None and row.generation == job.payload["generation"]:
        ending.error(volume, connection, job, row.id, reason, status="error_extending", growing_gb=0)
