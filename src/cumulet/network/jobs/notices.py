"""Telling Compute about ports."""

from __future__ import annotations

import logging

from cumulet.kernel.client import Unreachable
from cumulet.kernel.jobs import Job, JobRegistry, Retry
from cumulet.network.domain.notices import JOB
from cumulet.network.service import Network

log = logging.getLogger(__name__)


def register(registry: JobRegistry) -> None:
    registry.register(JOB, send)


def send(job: Job, network: Network) -> None:
    """A cloud without Compute needs no notice; servers that Compute does not know need none either."""
    try:
        answer = network.session.request(
            "POST", "compute", "/os-server-external-events", json=job.payload, timeout_s=job.remaining_s(30.0)
        )
    except LookupError:
        return
    except Unreachable as error:
        raise Retry(2.0, str(error)) from error
    if answer.status >= 500:
        raise Retry(2.0, f"Compute answered {answer.status}")
    if answer.status not in (200, 207, 404):
        log.warning("Compute refused events with %s: %s", answer.status, answer.body[:200])
