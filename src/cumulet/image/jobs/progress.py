"""The life of a task in a job: begun, heard of while it works, and ended together with what it did to its image."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection

from cumulet.image.domain import records, removal, tasks
from cumulet.image.domain.records import Image
from cumulet.image.service import ImageService
from cumulet.image.stores.base import StoreError
from cumulet.image.transfer.external import FetchFailed
from cumulet.image.transfer.filtering import Refused
from cumulet.image.transfer.inspection import Unacceptable
from cumulet.image.transfer.receiving import TooLarge
from cumulet.kernel.db import run_again
from cumulet.kernel.errors import ApiError
from cumulet.kernel.jobs import Job


class TaskFailed(Exception):
    """The task cannot succeed; the message is what the user reads."""


KNOWN_FAILURES = (TaskFailed, Unacceptable, TooLarge, StoreError, FetchFailed, Refused, ApiError)
"""What ends a task for good. Everything else is tried again by the engine."""


def reason_of(error: BaseException) -> str:
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, TooLarge):
        return f"The incoming image is too large: more than {error.limit} bytes."
    if isinstance(error, Refused):
        return f"The address may not be asked: {error}."
    return str(error)


class TaskRun:
    """One run of a task's job. `image_id` is the image that the task has."""

    def __init__(self, job: Job, service: ImageService, task: tasks.Task) -> None:
        self.job = job
        self.service = service
        self.task = task
        self.image_id: str = task["image_id"] or ""

    @classmethod
    def begin(cls, job: Job, service: ImageService) -> TaskRun | None:
        """None for a task that is over already."""
        with service.db.write() as connection:
            job.fence(connection)
            task = tasks.begin(service, connection, job.payload["task_id"])
        return None if task is None else cls(job, service, task)

    def image(self) -> Image:
        """Raises TaskFailed when the image is gone or another task has it."""
        with self.service.db.read() as connection:
            return self._mine(records.load_any(connection, self.image_id))

    def _mine(self, image: Image | None) -> Image:
        if image is None:
            raise TaskFailed("Image has been deleted, aborting import.")
        if image.properties.get(tasks.LOCK) != self.task["id"]:
            raise TaskFailed("Task was aborted externally")
        return image

    def change(self, change: Callable[[Connection, Image], None]) -> Image:
        """Change the image in one transaction that is only valid while this run has job and image."""
        return run_again(lambda: self._change(change))

    def _change(self, change: Callable[[Connection, Image], None]) -> Image:
        with self.service.db.write() as connection:
            self.job.fence(connection)
            image = self._mine(records.load_any(connection, self.image_id, lock=True))
            before = copy.deepcopy(image)
            change(connection, image)
            image.updated_at = self.service.now()
            records.save(connection, before, image)
            return image

    def progress(self, size: int) -> None:
        """Between chunks: end when the job or the image is taken away, and say how far it is."""
        self.job.check()
        self.image()
        with self.service.db.write() as connection:
            tasks.say(self.service, connection, self.task["id"], f"Copied {size >> 20} MiB")

    def succeed(self, result: dict[str, Any]) -> None:
        with self.service.db.write() as connection:
            self.job.fence(connection)
            image = self._mine(records.load_any(connection, self.image_id, lock=True))
            before = copy.deepcopy(image)
            del image.properties[tasks.LOCK]
            staged_on, image.staged_on = image.staged_on, None
            removal.enqueue(self.service, connection, None, image.id, [], staged_on=staged_on)
            image.updated_at = self.service.now()
            records.save(connection, before, image)
            tasks.succeed(self.service, connection, self.task["id"], result)
            self.job.complete(connection)
        self.service.wake()
