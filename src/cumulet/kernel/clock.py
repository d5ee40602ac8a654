"""Time as every table keeps it: integer microseconds since 1970 UTC; the same on every database, sortable, exact."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_PLAIN = datetime(1970, 1, 1)  # isoformat(), a fifth of strftime()'s cost, would write +00:00 for the other


class Clock(Protocol):
    def __call__(self) -> int:
        """Now, in microseconds since 1970 UTC."""


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def iso_micro(at: int) -> str:
    """`2026-01-31T12:00:00.000000Z`: Identity's form."""
    return (_EPOCH_PLAIN + timedelta(microseconds=at)).isoformat(timespec="microseconds") + "Z"


def iso(at: int) -> str:
    """`2026-01-31T12:00:00Z`: Compute's, Image's and Network's form."""
    return (_EPOCH_PLAIN + timedelta(microseconds=at)).isoformat(timespec="seconds") + "Z"


def parse(text: str) -> int:
    """Microseconds from any ISO 8601 form clients send; a time without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
