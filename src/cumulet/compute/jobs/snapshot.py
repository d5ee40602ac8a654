"""Copying a server's root disk into an image that the API has entered, and taking old backups away."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from cumulet.compute.clients import image
from cumulet.compute.domain import tasks
from cumulet.compute.jobs.work import Work, fails_back, handler
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.jobs import Backoff, Job, JobRegistry, enqueue

_SNAPSHOT = "compute_snapshot_instance"
_BACKUP = "compute_backup_instance"
_DROP = "image.drop"
UPLOAD_S = 3000.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.5, 10.0)
    registry.register(tasks.SNAPSHOT.kind, handler(_snapshot), on_failure=failed, backoff=backoff)
    registry.register(_DROP, drop, backoff=backoff)


def _snapshot(work: Work) -> None:
    backup = work.payload.get("backup")
    row = work.change(task_state="image_uploading")
    work.ask(row.host, "snapshot", UPLOAD_S, server_id=row.id, image_id=work.payload["image"])
    if backup is not None:
        _rotate(work, backup["type"], backup["rotation"])
    work.finish(_SNAPSHOT if backup is None else _BACKUP)


def _rotate(work: Work, backup_type: str, rotation: int) -> None:
    for image_id in image.backups(work.compute.session, work.row.id, backup_type)[rotation:]:
        work.job.check()
        image.delete(work.compute.session, image_id)


def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The server is what it was, and the image that has no data goes."""
    fails_back(_BACKUP if job.payload.get("backup") else _SNAPSHOT)(job, compute, connection, reason)
    discard(connection, job.payload["image"])


def discard(connection: Connection, image_id: str) -> None:
    """In a job's transaction: have an image deleted that is of no use."""
    enqueue(connection, jobs, _DROP, {"image": image_id}, subject=image_id, deadline_s=3600.0)


def drop(job: Job, compute: Compute) -> None:
    image.delete(compute.session, job.payload["image"])
