"""Filling the cache of this host."""

from __future__ import annotations

from cumulet.image.domain import cache, download, records
from cumulet.image.service import ImageService
from cumulet.image.transfer.receiving import copy
from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry

_PRUNE_EVERY_S = 1800.0


def register(registry: JobRegistry) -> None:
    registry.register(cache.CACHE_IMAGE, fill)
    registry.periodic("prune-cache", _PRUNE_EVERY_S, prune)


def fill(job: Job, service: ImageService) -> None:
    if job.payload["node"] != service.node:
        raise Retry(5.0, "another host's cache")
    if service.cache is None:
        raise GiveUp("Caching is not configured on this host.")
    with service.db.read() as connection:
        image = records.load_any(connection, job.subject)
    if image is None or image.status != "active" or not cache.is_known(service, job.subject):
        cache.remove(service, [job.subject])
        return
    reader = download.open_data(service, image, None)
    if reader is None:
        raise GiveUp("The image has no data.")
    writer = service.cache.writer(image.id)
    try:
        size = copy(reader, writer, limit=None, progress=lambda size: job.check())
        with service.db.write() as connection:
            job.fence(connection)
            writer.publish()
            cache.cached(service, connection, image, size)
    finally:
        writer.abort()
        reader.close()


def prune(job: Job, service: ImageService) -> None:
    if service.cache is not None:
        cache.prune(service)
