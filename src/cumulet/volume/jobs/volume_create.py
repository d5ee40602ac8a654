"""Making a volume: pool, bytes, status. Every step finds what an interrupted run before it did."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry
from cumulet.volume.clients import image as images
from cumulet.volume.domain import backups, snapshots, volumes
from cumulet.volume.domain import image_cache as cache
from cumulet.volume.jobs import backend, ending, image_cache, placing
from cumulet.volume.jobs import backups as backup_jobs
from cumulet.volume.service import Volume

_ELSEWHERE = ("NoSpace", "NoSuchBackend")
"""Refusals after which another pool may do it."""


def register(registry: JobRegistry) -> None:
    registry.register(volumes.CREATE, create, on_failure=failed, backoff=backend.BACKOFF)


def create(job: Job, volume: Volume) -> None:
    row = _wanted(volume, job.subject)
    if row is None:
        return
    near = job.payload.get("host")
    tried: list[str] = []
    while True:
        host = placing.place(job, volume, row, near=near, excluded=tried)
        row = _wanted(volume, job.subject)
        if host is None or row is None:
            return
        try:
            made = _make(job, volume, row, host, step=f"-{len(tried)}")
        except backend.Refusal as refusal:
            tried.append(host)
            if refusal.type not in _ELSEWHERE or len(tried) >= volume.conf.scheduler_max_attempts:
                raise
            if refusal.type == "NoSpace":
                backend.call(job, volume, host, "delete", {"volume_id": row.id}, step=f"-{len(tried)}")
            continue
        _finish(job, volume, row, made)
        return


def _wanted(volume: Volume, volume_id: str) -> Row[Any] | None:
    """The volume, None when nobody wants it made any more: its deletion cleans up."""
    with volume.db.read() as connection:
        row = volumes.load_any(connection, volume_id)
    return row if row is not None and row.status in ("creating", "downloading") else None


def _make(job: Job, volume: Volume, row: Row[Any], host: str, *, step: str) -> dict[str, Any]:
    """What the back end made: `protocols.Made`."""
    key = backend.key_of(volume, row.encryption_key_id)
    image_id = job.payload.get("image_id")
    method, args, source_key = _method(volume, row)
    if image_id is not None:
        image, facts = image_for(volume, image_id)
        _downloading(job, volume, row)
        cached = image_cache.clone(job, volume, row, image, facts, step=step)
        if cached is not None:
            return cached
        method, args = "from_image", {"image": image}
    given = {"volume": backend.wanted(row, key=key, source_key=source_key), **args}
    made: dict[str, Any] = backend.call(job, volume, host, method, given, step=step, timeout_s=backend.LONG_S)
    backup_id = job.payload.get("backup_id")
    if backup_id is not None:
        _fill(job, volume, row, host, backup_id)
    return made


def _fill(job: Job, volume: Volume, row: Row[Any], host: str, backup_id: str) -> None:
    """With a backup's bytes, before anybody may use it."""
    with volume.db.read() as connection:
        backup = backups.load_any(connection, backup_id)
        parents = [] if backup is None else backups.chain(connection, backup)
    if backup is None or backup.digest is None:
        raise GiveUp(f"Backup {backup_id} is not there any more.")
    backup_jobs.fill(job, volume, row, host, backup, parents)


def _method(volume: Volume, row: Row[Any]) -> tuple[str, dict[str, Any], str | None]:
    """(method, what it is made from, the key that opens that)"""
    with volume.db.read() as connection:
        if row.snapshot_id is not None:
            snapshot = snapshots.load_any(connection, row.snapshot_id)
            if snapshot is None:
                raise GiveUp(f"Snapshot {row.snapshot_id} is not there any more.")
            origin = volumes.load(connection, snapshot.volume_id)
            args = {"snapshot_id": snapshot.id, "source_id": backend.name_of(origin)}
            return "from_snapshot", args, backend.key_of(volume, snapshot.encryption_key_id)
        if row.source_volid is not None:
            source = volumes.load_any(connection, row.source_volid)
            if source is None:
                raise GiveUp(f"Volume {row.source_volid} is not there any more.")
            return "clone", {"source_id": backend.name_of(source)}, backend.key_of(volume, source.encryption_key_id)
    return "create", {}, None


def image_for(volume: Volume, image_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(`protocols.Image`, to be read with Volume's own token; the image as Image shows it)"""
    try:
        found = images.find(volume.session, image_id)
        url, token = volume.session.endpoint("image"), volume.session.token()
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The image service does not answer: {error}") from None
    if found is None or found.get("status") != "active":
        raise GiveUp(f"Image {image_id} is not active any more.")
    names = ("size", "checksum", "os_hash_algo", "os_hash_value", "virtual_size")
    image = {
        "id": image_id,
        "url": url,
        "token": token,
        "disk_format": found.get("disk_format") or "raw",
        "container_format": found.get("container_format") or "bare",
        **{name: found[name] for name in names if found.get(name) is not None},
    }
    return image, found


def _downloading(job: Job, volume: Volume, row: Row[Any]) -> None:
    """What the status says while an image's bytes arrive."""
    with volume.db.write() as connection:
        job.fence(connection)
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.status == "creating":
            volumes.change(connection, row.id, volume.now(), status="downloading")


def _finish(job: Job, volume: Volume, row: Row[Any], made: dict[str, Any]) -> None:
    with volume.db.write() as connection:
        now = volumes.load_any(connection, row.id, lock=True)
        if now is not None and now.status in ("creating", "downloading"):
            at = volume.now()
            volumes.change(connection, row.id, at, status="available", launched_at=at)
            smallest = made.get("image_virtual_size")
            if smallest is not None:
                found = volumes.metadata_of(now, "image") | {"virtual_size": str(smallest)}
                volumes.set_metadata(connection, row.id, "image", found, at)
        job.complete(connection)


def failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """`error` with the reason; what was made of it is deleted with it."""
    row = volumes.load_any(connection, job.subject, lock=True)
    cache.give_up(volume, connection, job.context(), job.id)
    if row is not None and row.status in ("creating", "downloading"):
        ending.error(volume, connection, job, row.id, reason)
