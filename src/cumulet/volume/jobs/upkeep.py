"""What comes back periodically: the scheduler says that it lives."""

from __future__ import annotations

import socket

from cumulet.kernel.jobs import Job, JobRegistry
from cumulet.volume.domain import services
from cumulet.volume.service import Volume

_REPORT_S = 20.0


def register(registry: JobRegistry) -> None:
    registry.periodic("volume.scheduler_report", _REPORT_S, report, first_after_s=0.0)


def report(job: Job, volume: Volume) -> None:
    services.seen(volume, socket.gethostname(), services.SCHEDULER)
