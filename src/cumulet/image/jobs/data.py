"""Deleting data that no image has any more."""

from __future__ import annotations

from cumulet.image.domain import records
from cumulet.image.domain.removal import DELETE_DATA
from cumulet.image.service import ImageService
from cumulet.kernel.jobs import Job, JobRegistry, Retry

_ELSEWHERE_S = 5.0


def register(registry: JobRegistry) -> None:
    registry.register(DELETE_DATA, delete_data)


def delete_data(job: Job, service: ImageService) -> None:
    """The image may have been made again under its old id meanwhile: what it uses now stays. Raises Retry."""
    node = job.payload["staged_on"]
    if node not in (None, service.node):
        raise Retry(_ELSEWHERE_S, "another host's staged data")
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
        if node is not None and (image is None or image.staged_on is None):
            free.append(staging.detach(staging.url_for(job.subject)))
    for finish in free:
        finish()
