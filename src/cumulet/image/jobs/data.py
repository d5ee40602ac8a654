"""Deleting data that no image has any more."""

from __future__ import annotations

from cumulet.image.domain import records
from cumulet.image.domain.removal import DELETE_DATA
from cumulet.image.service import ImageService
from cumulet.kernel.jobs import Job, JobRegistry


def register(registry: JobRegistry) -> None:
    registry.register(DELETE_DATA, delete_data)


def delete_data(job: Job, service: ImageService) -> None:
    """The image may have been made again under its old id meanwhile: what it uses now stays."""
    free = []
    with service.db.write() as connection:
        job.fence(connection)
        image = records.load_any(connection, job.subject, lock=True)
        used = {place["url"] for place in image.locations} if image is not None else set()
        for place in job.payload["locations"]:
            store = service.stores.of(place)
            if store is not None and place["url"] not in used:
                free.append(store.detach(place["url"]))
        staging = service.stores.staging
        if job.payload["staged"] and (image is None or image.status not in ("uploading", "importing")):
            free.append(staging.detach(staging.url_for(job.subject)))
    for finish in free:
        finish()
