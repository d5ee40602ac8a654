"""Moving a volume in use: its other place is made, then Compute is asked to swap. Compute itself tells the end.

Every step is found by who repeats it: the other place by its migration status, that Compute has begun by its reserving
the other place.
"""

from __future__ import annotations

import logging

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry
from cumulet.volume.clients import compute
from cumulet.volume.domain import attaching, volume_swaps, volumes
from cumulet.volume.jobs import backend
from cumulet.volume.service import Volume

LOG = logging.getLogger(__name__)


def register(registry: JobRegistry) -> None:
    registry.register(volume_swaps.SWAP, swap, on_failure=failed, backoff=backend.BACKOFF)


def swap(job: Job, volume: Volume) -> None:
    target = _target(job, volume)
    if target is None:
        return
    if target.status == "creating":
        target = _make(job, volume, target)
    if target is None or target.status != "available":
        return  # nobody wants it, or Compute is at work on it
    with volume.db.read() as connection:
        held = attaching.of(connection, job.subject)
    if len(held) != 1 or held[0].instance_id is None:
        raise GiveUp("The volume is not attached to one server any more.")
    _ask(volume, held[0].instance_id, job.subject, target.id)


def _target(job: Job, volume: Volume) -> Row[object] | None:
    """The other place, entered once; None when nobody wants the volume moved any more."""
    with volume.db.write() as connection:
        job.fence(connection)
        row = volumes.load_any(connection, job.subject, lock=True)
        if row is None or row.migration_status not in ("starting", "migrating"):
            return None
        if row.migration_status == "starting":
            volumes.change(connection, row.id, volume.now(), migration_status="migrating")
        found = volume_swaps.target_of(connection, row)
        if found is None:
            type_id = job.payload["type_id"] or row.volume_type_id
            volume_swaps.enter_target(volume, connection, job.context(), row, job.payload["target"], type_id)
            found = volume_swaps.target_of(connection, row)
        return found


def _make(job: Job, volume: Volume, target: Row[object]) -> Row[object] | None:
    """Empty: Compute fills it."""
    row = target._mapping
    key = backend.key_of(volume, row["encryption_key_id"])
    given = {"volume": backend.wanted(target, key=key)}
    backend.call(job, volume, str(row["host"]), "create", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        job.fence(connection)
        now = volumes.load_any(connection, str(row["id"]), lock=True)
        if now is not None and now.status == "creating":
            at = volume.now()
            volumes.change(connection, now.id, at, status="available", launched_at=at)
        return volumes.load_any(connection, str(row["id"]))


def _ask(volume: Volume, server_id: str, old_id: str, new_id: str) -> None:
    try:
        answer = compute.swap(volume.session, server_id, old_id, new_id)
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The compute service does not answer: {error}") from None
    if answer.status == 202:
        return
    reason = f"Compute answered {answer.status}: {answer.body[:200].decode(errors='replace')}"
    if answer.status == 409:
        # Something else is being done to the server, or an answer was lost and Compute has begun.
        raise Retry(1.0, reason)
    raise GiveUp(reason)


def failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """It stays where it is. When Compute has begun after all, it will be told that the volume is not waiting."""
    LOG.warning("volume %s: %s (%s)", job.subject, reason, job.request_id)
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is None or row.migration_status not in ("starting", "migrating"):
        return
    target = volume_swaps.target_of(connection, row)
    if target is not None and attaching.of(connection, target.id):
        return  # Compute is at work on it, and tells the end
    volume_swaps.give_up(volume, connection, job.context(), row, reason)
