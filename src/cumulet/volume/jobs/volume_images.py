"""Volumes to images and images onto volumes that are there."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry, enqueue
from cumulet.volume.clients import compute
from cumulet.volume.clients import image as images
from cumulet.volume.domain import attaching, volumes
from cumulet.volume.jobs import backend, ending
from cumulet.volume.jobs.volume_create import image_for
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs


def register(registry: JobRegistry) -> None:
    registry.register(volumes.UPLOAD, upload, on_failure=upload_failed, backoff=backend.BACKOFF)
    registry.register(volumes.DROP_IMAGE, drop_image, backoff=backend.BACKOFF)
    registry.register(volumes.REIMAGE, reimage, on_failure=reimage_failed, backoff=backend.BACKOFF)


def upload(job: Job, volume: Volume) -> None:
    row = ending.still(volume, job)
    if row is None:
        return
    if row.host is None:
        raise GiveUp(f"Volume {row.id} is on no back end.")
    try:
        url, token = volume.session.endpoint("image"), volume.session.token()
    except (Unreachable, LookupError) as error:
        raise Retry(1.0, f"The image service does not answer: {error}") from None
    wanted = {"id": job.payload["image_id"], "url": url, "token": token, "disk_format": job.payload["disk_format"]}
    given: dict[str, Any] = {"volume_id": backend.name_of(row), "image": wanted}
    key = backend.key_of(volume, row.encryption_key_id)
    given |= {} if key is None else {"key": key}
    backend.call(job, volume, row.host, "upload_image", given, timeout_s=backend.LONG_S)
    with volume.db.write() as connection:
        ending.back(volume, connection, job)
        job.complete(connection)


def upload_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    """The volume is as it was; the image that never got its bytes goes."""
    if ending.back(volume, connection, job):
        ending.tell(volume, connection, job, "VOLUME", job.subject, reason)
    enqueue(connection, jobs, volumes.DROP_IMAGE, {"image_id": job.payload["image_id"]}, subject=job.subject)


def drop_image(job: Job, volume: Volume) -> None:
    try:
        images.delete(volume.session, job.payload["image_id"])
    except (Unreachable, LookupError) as error:
        raise Retry(2.0, f"The image service does not answer: {error}") from None


def reimage(job: Job, volume: Volume) -> None:
    """The old bytes go first: there may not be room for both."""
    row = ending.still(volume, job)
    if row is None:
        return
    if row.host is None:
        raise GiveUp(f"Volume {row.id} is on no back end.")
    image, facts = image_for(volume, job.payload["image_id"])
    key = backend.key_of(volume, row.encryption_key_id)
    backend.call(job, volume, row.host, "delete", {"volume_id": backend.name_of(row)}, step="-old")
    given = {"volume": backend.wanted(row, key=key), "image": image}
    backend.call(job, volume, row.host, "from_image", given, timeout_s=backend.LONG_S)
    with volume.db.read() as connection:
        servers = [each.instance_id for each in attaching.of(connection, row.id) if each.instance_id is not None]
    with volume.db.write() as connection:
        previous = job.payload["previous"]
        status = "available" if previous == "error" else previous
        if ending.back(volume, connection, job, status=status, bootable=True):
            volumes.set_metadata(connection, row.id, "image", images.metadata_of(facts), volume.now())
        job.complete(connection)
    _tell(volume, servers, row.id)


def _tell(volume: Volume, servers: list[str], volume_id: str) -> None:
    """A server that is being rebuilt waits for it; it has a limit of its own when this does not arrive."""
    if not servers:
        return
    try:
        compute.tell_reimaged(volume.session, servers, volume_id)
    except (Unreachable, LookupError) as error:
        ending.LOG.warning("compute was not told that volume %s has its new image: %s", volume_id, error)


def reimage_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    row = volumes.load_any(connection, job.subject, lock=True)
    if row is not None and row.generation == job.payload["generation"]:
        ending.error(volume, connection, job, row.id, reason)
