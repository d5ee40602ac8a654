"""How work on a volume ends badly: its status, and a message that its user can read."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.engine import Connection

from cumulet.kernel.jobs import Job
from cumulet.volume.domain import volumes
from cumulet.volume.service import Volume

LOG = logging.getLogger(__name__)


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
    LOG.warning("%s %s: %s (%s)", kind.lower(), resource_id, reason, job.request_id)
