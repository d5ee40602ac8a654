"""Filling a new volume from the image-volume cache of its back end, and the cache from Image."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.kernel.jobs import Job
from cumulet.volume.domain import image_cache
from cumulet.volume.jobs import backend
from cumulet.volume.service import Volume


def clone(
    job: Job, volume: Volume, row: Row[Any], image: dict[str, Any], facts: dict[str, Any], *, step: str
) -> dict[str, Any] | None:
    """The volume made of the cached one, `protocols.Made`; None when it has to be made from the image itself.

    row: the volume with its host; image: `protocols.Image`; facts: the image as Image shows it.
    """
    if row.encryption_key_id is not None or not image_cache.is_on(volume, row.host):
        return None
    with volume.db.write() as connection:
        job.fence(connection)
        source = image_cache.take(volume, connection, job.context(), row, facts)
    if source is None:
        source = _fill(job, volume, row, image, facts, step)
    volume.wake()  # something may have been evicted
    if source is None:
        return None
    given = {"volume": backend.wanted(row), "source_id": backend.name_of(source)}
    try:
        made: dict[str, Any] = backend.call(
            job, volume, row.host, "clone", given, step=f"{step}-cached", timeout_s=backend.LONG_S
        )
    except backend.Refusal:
        return None
    return made


def _fill(
    job: Job, volume: Volume, row: Row[Any], image: dict[str, Any], facts: dict[str, Any], step: str
) -> Row[Any] | None:
    with volume.db.write() as connection:
        job.fence(connection)
        place = image_cache.reserve(volume, connection, job.context(), row, facts, job.id)
    if place is None:
        return None
    given = {"volume": backend.wanted(place), "image": image}
    try:
        backend.call(job, volume, row.host, "from_image", given, step=f"{step}-cache", timeout_s=backend.LONG_S)
    except backend.Refusal:
        with volume.db.write() as connection:
            image_cache.give_up(volume, connection, job.context(), job.id)
        return None
    with volume.db.write() as connection:
        job.fence(connection)
        image_cache.filled(volume, connection, place.id)
    return place
