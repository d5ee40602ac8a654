"""The engine schedules and conducts: it says that it lives, under the names of the original's two services."""

from __future__ import annotations

import socket
from typing import Final

from cumulet.compute.domain import services
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Job, JobRegistry

_REPORT_S: Final = 20.0


def register(registry: JobRegistry) -> None:
    registry.periodic("report-services", _REPORT_S, report, first_after_s=0.0)


def report(job: Job, compute: Compute) -> None:
    with compute.db.write() as connection:
        for binary in services.INTERNAL:
            services.report_all(connection, compute.now(), [socket.gethostname()], binary)
