"""What has to be done again and again: taking back from dead writers, and forgetting old tasks."""

from __future__ import annotations

from cumulet.image.domain import recovery, tasks
from cumulet.image.service import ImageService
from cumulet.kernel.jobs import Job, JobRegistry

_RECOVER_EVERY_S = 60.0
_PURGE_EVERY_S = 3600.0


def register(registry: JobRegistry) -> None:
    registry.periodic("recover-uploads", _RECOVER_EVERY_S, recover, first_after_s=0)
    registry.periodic("purge-tasks", _PURGE_EVERY_S, purge)


def recover(job: Job, service: ImageService) -> None:
    recovery.recover(service)


def purge(job: Job, service: ImageService) -> None:
    tasks.purge(service)
