"""The one form of time in job rows: integer microseconds since 1970-01-01T00:00:00 UTC.

An integer is the same on SQLite, PostgreSQL and MariaDB, compares in an index as it stands, and has no time zone
that a driver could get wrong.
"""

from __future__ import annotations

import datetime
import time
from typing import Protocol

SECOND = 1_000_000
"""Microseconds in a second."""


class Clock(Protocol):
    """Where jobs get the time from. Tests hand in one that they move themselves."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


SYSTEM_CLOCK = SystemClock()


def microseconds(seconds: float) -> int:
    return round(seconds * SECOND)


def as_datetime(stamp: int) -> datetime.datetime:
    """A row's stamp as the naive UTC datetime that API bodies are written from."""
    epoch = datetime.datetime(1970, 1, 1)
    return epoch + datetime.timedelta(microseconds=stamp)
