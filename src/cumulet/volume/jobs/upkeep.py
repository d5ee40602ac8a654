"""What comes back periodically: the scheduler says that it lives, old messages go."""

from __future__ import annotations

import socket

from cumulet.kernel.jobs import Job, JobRegistry
from cumulet.volume.domain import messages, services
from cumulet.volume.service import Volume

_REPORT_S = 20.0
_MESSAGES_S = 3600.0


def register(registry: JobRegistry) -> None:
    registry.periodic("volume.scheduler_report", _REPORT_S, report, first_after_s=0.0)
    registry.periodic("volume.old_messages", _MESSAGES_S, forget_messages)


def report(job: Job, volume: Volume) -> None:
    services.seen(volume, socket.gethostname(), services.SCHEDULER)


def forget_messages(job: Job, volume: Volume) -> None:
    messages.purge(volume)
