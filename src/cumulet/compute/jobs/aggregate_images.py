"""Hosts fetch images before a server asks for them."""

from __future__ import annotations

import logging
from typing import Final

from cumulet.compute.domain import aggregate_images
from cumulet.compute.jobs.work import is_up
from cumulet.compute.service import Compute
from cumulet.kernel.bus import RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry

log = logging.getLogger(__name__)
_FETCH_S: Final = 3500.0


def register(registry: JobRegistry) -> None:
    registry.register(aggregate_images.CACHE, cache, backoff=Backoff(1.0, 60.0))


def cache(job: Job, compute: Compute) -> None:
    """A host that is down is passed over, as it fetches what it needs when it is back."""
    host, image_id = job.payload["host"], job.payload["image"]
    if not is_up(compute, host):
        log.info("host %s is down and does not fetch image %s", host, image_id)
        return
    timeout_s = job.remaining_s(_FETCH_S)
    try:
        compute.bus.call(host, "compute.cache_image", {"image_id": image_id}, timeout_s=timeout_s, ctx=job.context())
    except RemoteError as error:
        raise GiveUp(f"Host {host} could not fetch image {image_id}: {error}") from None
