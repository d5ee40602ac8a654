"""Deleting data: a job written by the transaction that lets go of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from cumulet.image.domain.records import Location
from cumulet.image.service import ImageService
from cumulet.image.tables import jobs
from cumulet.kernel import jobs as kernel_jobs
from cumulet.kernel.context import Context

DELETE_DATA = "delete-data"
"""The kind of job; its payload is `{"locations": [{"url", "metadata"}], "staged_on": node}`, its subject the image."""
_PATIENCE_S = 7 * 86400.0


def enqueue(
    service: ImageService,
    connection: Connection,
    ctx: Context | None,
    image_id: str,
    locations: Sequence[Location],
    *,
    staged_on: str | None = None,
) -> bool:
    """Whether there is something to delete. Call `service.wake` after the commit.

    `staged_on` is the node that has staged data, which only an engine there can delete: a job of its own.
    """
    ours = [place for place in locations if (store := service.stores.of(place)) is not None and not store.read_only]
    payloads: list[dict[str, Any]] = [{"locations": ours, "staged_on": None}] if ours else []
    if staged_on is not None:
        payloads.append({"locations": [], "staged_on": staged_on})
    for payload in payloads:
        kernel_jobs.enqueue(
            connection, jobs, DELETE_DATA, payload, subject=image_id, ctx=ctx, deadline_s=_PATIENCE_S, max_attempts=1000
        )
    return bool(payloads)
