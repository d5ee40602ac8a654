"""How work on a volume ends badly: its status, and a message that its user can read."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.jobs import Job
from cumulet.volume.domain import attaching, messages, volumes
from cumulet.volume.service import Volume

LOG = logging.getLogger(__name__)
_NO_BACKEND = "No valid backend was found"


def still(volume: Volume, job: Job) -> Row[Any] | None:
    """The volume, None when it is in another status than the one this job was wanted in."""
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
    return row if row is not None and row.generation == job.payload["generation"] else None


def back(volume: Volume, connection: Connection, job: Job, **values: Any) -> bool:
    """Into the status it had before, or that its attachments have given it meanwhile, unless somebody set another."""
    row = volumes.load_any(connection, job.subject, lock=True)
    mine = row is not None and row.generation == job.payload["generation"]
    if mine:
        given = {"status": job.payload["previous"], **values}
        volumes.change(connection, job.subject, volume.now(), **given)
        attaching.settle(volume, connection, volumes.load(connection, job.subject))
    return mine


def error(
    volume: Volume,
    connection: Connection,
    job: Job,
    volume_id: str,
    reason: str,
    *,
    status: str = "error",
    **values: Any,
) -> None:
    """The volume is in `status`, with the reason where its user finds it."""
    volumes.change(connection, volume_id, volume.now(), status=status, **values)
    tell(volume, connection, job, "VOLUME", volume_id, reason)


def tell(volume: Volume, connection: Connection, job: Job, kind: str, resource_id: str, reason: str) -> None:
    """Enter a message that its user finds under `/messages`; the log has the reason itself."""
    LOG.warning("%s %s: %s (%s)", kind.lower(), resource_id, reason, job.request_id)
    action, detail = messages.BY_JOB.get(job.kind, ("001", "001"))
    if reason.startswith(_NO_BACKEND):
        action, detail = messages.NO_BACKEND
    messages.enter(
        volume,
        connection,
        project_id=job.row.project_id or "",
        request_id=job.request_id,
        kind=kind,
        resource_id=resource_id,
        action=action,
        detail=detail,
    )
