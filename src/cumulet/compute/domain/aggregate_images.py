"""Images that hosts are to have before a server asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.jobs import enqueue

CACHE: Final = "host.cache_image"
_DEADLINE_S: Final = 3600.0


def request(compute: Compute, ctx: Context, hosts: Sequence[str], image_ids: Sequence[str]) -> None:
    """One job a host and image; asked for twice, it is done once."""
    if not hosts:
        return
    with compute.db.write() as connection:
        for host in hosts:
            for image_id in image_ids:
                payload = {"host": host, "image": image_id}
                key = f"{image_id}/{host}"[:255]
                enqueue(connection, jobs, CACHE, payload, subject=image_id, key=key, deadline_s=_DEADLINE_S, ctx=ctx)
    compute.wake()
