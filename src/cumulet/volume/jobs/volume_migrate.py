"""Moving a volume to another pool, because an operator says so or its new type does.

The bytes go from one back end to the other; the new host is entered in one transaction; then the old copy is deleted.
Before that transaction the old copy counts, after it the new one, so a crash loses neither.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import DONE, FAILED, GiveUp, Job, JobRegistry, Retry, enqueue, jobs_of
from cumulet.volume.domain import attachments, pools, types, volume_migrate, volume_swaps, volumes
from cumulet.volume.jobs import backend, ending, placing
from cumulet.volume.scheduling import choice
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs

_REMOVALS = (volumes.REMOVE_COPY, volumes.TAKE_BACK)


def register(registry: JobRegistry) -> None:
    registry.register(volumes.MIGRATE, migrate, on_failure=migrate_failed, backoff=backend.BACKOFF)
    registry.register(volumes.RETYPE, retype, on_failure=retype_failed, backoff=backend.BACKOFF)
    registry.register(volumes.DETACH, disconnect, backoff=backend.BACKOFF)
    registry.register(volumes.REMOVE_COPY, remove_copy, backoff=backend.BACKOFF)
    registry.register(volumes.TAKE_BACK, take_back, backoff=backend.BACKOFF)


def migrate(job: Job, volume: Volume) -> None:
    with volume.db.write() as connection:
        job.fence(connection)
        row = volumes.load_any(connection, job.subject, lock=True)
        if row is None or row.migration_status not in ("starting", "migrating"):
            return
        volumes.change(connection, row.id, volume.now(), migration_status="migrating")
    _copy(job, volume, row, job.payload["target"])
    with volume.db.write() as connection:
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.migration_status == "migrating":
            values: dict[str, Any] = {"migration_status": "success"}
            if now.status == "maintenance":
                values["status"] = job.payload["previous"]
            _arrive(volume, connection, job, row, job.payload["target"], values)
        job.complete(connection)
    volume.wake()


def _copy(job: Job, volume: Volume, row: Row[Any], target: str) -> None:
    """All bytes at the target; the source's copy stays."""
    if row.host is None:
        raise GiveUp(f"Volume {row.id} is on no back end.")
    _wait_for_removals(volume, row)
    key = backend.key_of(volume, row.encryption_key_id)
    keyed = {} if key is None else {"key": key}
    name = backend.name_of(row)
    out = {"volume_id": name, "migration_id": job.id, "connector": {"host": target.partition("@")[0]}, **keyed}
    source = backend.call(job, volume, row.host, "migrate_out", out, timeout_s=backend.LONG_S)
    taken = {"volume": backend.wanted(row, key=key), "source": source}
    taken |= {} if key is None else {"source_key": key}
    backend.call(job, volume, target, "migrate_in", taken, timeout_s=backend.LONG_S)


def _wait_for_removals(volume: Volume, row: Row[Any]) -> None:
    """A copy of an earlier move that is still at the target would pass for the one that is to be made."""
    with volume.db.read() as connection:
        others = jobs_of(connection, jobs, row.id)
    if any(one.kind in _REMOVALS and one.state not in (DONE, FAILED) for one in others):
        raise Retry(0.5, "A copy of an earlier migration has to be removed first.")


def _arrive(
    volume: Volume, connection: Connection, job: Job, row: Row[Any], target: str, values: dict[str, Any]
) -> None:
    """From here on the target's copy is the volume."""
    service = pools.service_of(connection, target)
    if service is not None:
        values |= {"service_uuid": service.id, "availability_zone": service.availability_zone}
    volumes.change(connection, row.id, volume.now(), host=target, **values)
    left = {"host": row.host, "name": backend.name_of(row), "migration_id": job.id}
    enqueue(connection, jobs, volumes.REMOVE_COPY, left, subject=row.id, deadline_s=24 * 3600.0, max_attempts=100_000)


def remove_copy(job: Job, volume: Volume) -> None:
    """The source's, once the target's counts."""
    host, name = job.payload["host"], job.payload["name"]
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
    if row is not None and row.host == host:
        raise GiveUp(f"The volume is on {host}: there is no other copy to remove.")
    given = {"volume_id": name, "migration_id": job.payload["migration_id"]}
    backend.call(job, volume, host, "migrate_end", given)
    backend.call(job, volume, host, "delete", {"volume_id": name}, timeout_s=backend.LONG_S)


def migrate_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """It is where it was; what arrived at the target is deleted."""
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is None or row.migration_status not in ("starting", "migrating"):
        return
    values: dict[str, Any] = {"migration_status": "error"}
    if row.status == "maintenance":
        values["status"] = job.payload["previous"]
    volumes.change(connection, row.id, volume.now(), **values)
    _take_back(connection, job, row, job.payload["target"])
    ending.tell(volume, connection, job, "VOLUME", row.id, reason)


def _take_back(connection: Connection, job: Job, row: Row[Any], target: str) -> None:
    for host in (target, row.host):
        left = {"host": host, "name": backend.name_of(row), "migration_id": job.id, "keep": host == row.host}
        enqueue(connection, jobs, volumes.TAKE_BACK, left, subject=row.id, deadline_s=24 * 3600.0)


def take_back(job: Job, volume: Volume) -> None:
    """After a migration that failed: end the source's export, delete the target's copy."""
    host, name = job.payload["host"], job.payload["name"]
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
    if job.payload["keep"] or (row is not None and row.host == host):
        given = {"volume_id": name, "migration_id": job.payload["migration_id"]}
        backend.call(job, volume, host, "migrate_end", given)
    else:
        backend.call(job, volume, host, "delete", {"volume_id": name}, timeout_s=backend.LONG_S)


def retype(job: Job, volume: Volume) -> None:
    row = ending.still(volume, job)
    if row is None:
        return
    target = _target(job, volume, row)
    if target != row.host and job.payload["previous"] == "in-use":
        _swap(job, volume, row, target)
        return
    if target != row.host:
        _copy(job, volume, row, target)
    with volume.db.write() as connection:
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.generation == job.payload["generation"]:
            new = types.load(connection, job.payload["type_id"])
            values = {
                "volume_type_id": new.id,
                "multiattach": types.is_multiattach(new),
                "status": job.payload["previous"],
            }
            if target != row.host:
                _arrive(volume, connection, job, row, target, values)
            else:
                volumes.change(connection, row.id, volume.now(), **values)
        job.complete(connection)
    volume.wake()


def _target(job: Job, volume: Volume, row: Row[Any]) -> str:
    """Where it may be with its new type: where it is, if that is possible. Raises GiveUp."""
    with volume.db.read() as connection:
        new = types.load(connection, job.payload["type_id"])
        found = pools.load_all(volume, connection)
        here = [pool for pool in found if pool.name == row.host]
        has_snapshots = volume_migrate.has_snapshots(connection, row.id)
    specs, multiattach = types.extra_specs(new), types.is_multiattach(new)
    for pool in here:
        pool.provisioned_gb -= row.size  # it is there already
        pool.free_gb += row.size
    stay = choice.Wish(size_gb=row.size, zone=row.availability_zone, specs=specs, multiattach=multiattach)
    try:
        choice.choose(volume, here, stay)
        return str(row.host)
    except choice.NoneLeft:
        if job.payload["policy"] != "on-demand":
            raise GiveUp(f"{placing.NO_BACKEND}: the volume's back end does not fit the new type.") from None
    if has_snapshots:
        raise GiveUp("Volume must not have snapshots.")
    try:
        return choice.choose(volume, found, stay)[0].name
    except choice.NoneLeft as error:
        raise GiveUp(f"{placing.NO_BACKEND} ({error})") from None


def _swap(job: Job, volume: Volume, row: Row[Any], target: str) -> None:
    """A server has it, so Compute copies it; the new type comes with the new place."""
    with volume.db.write() as connection:
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.generation == job.payload["generation"]:
            try:
                volume_swaps.may_swap(connection, now)
            except BadRequest as error:
                raise GiveUp(error.message) from None
            volumes.change(connection, row.id, volume.now(), migration_status="starting")
            volume_swaps.enqueue_swap(connection, job.context(), now, target, job.payload["type_id"])
        job.complete(connection)
    volume.wake()


def retype_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """It keeps its type and its place."""
    if ending.back(volume, connection, job):
        ending.tell(volume, connection, job, "VOLUME", job.subject, reason)


def disconnect(job: Job, volume: Volume) -> None:
    """An export that could not be ended when it was asked for, unless it has been made anew since."""
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
        attachment = attachments.load_any(connection, job.payload["attachment_id"])
    by_action = job.payload["attachment_id"] == job.subject
    if attachment is not None or (by_action and row is not None and row.status in ("attaching", "in-use", "detaching")):
        return
    given = {key: job.payload[key] for key in ("volume_id", "attachment_id")}
    backend.call(job, volume, job.payload["host"], "disconnect", given)
