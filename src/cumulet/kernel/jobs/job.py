"""A running job, as its handler sees it."""

from __future__ import annotations

import functools
import threading
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from cumulet.kernel.context import Context, new_request_id
from cumulet.kernel.db import Database
from cumulet.kernel.jobs.clock import SECOND, SYSTEM_CLOCK, Clock
from cumulet.kernel.jobs.store import JobStore
from cumulet.kernel.jobs.table import JobRow


class LeaseLost(Exception):
    """The job is no longer this handler's: its deadline passed, its lease ran out, or the engine is stopping.

    A handler lets it through. Whatever was not committed is rolled back; another run decides how the job ends.
    """


class Job:
    """What a handler gets: the row's facts, and the means to stay inside lease and deadline."""

    def __init__(
        self, row: JobRow, db: Database, store: JobStore, *, deadline_at: int | None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.row = row
        self.db = db
        self.deadline_at = deadline_at
        self.request_id = row.request_id or new_request_id()
        self.completed = False
        self._store = store
        self._clock = clock
        self._ended = threading.Event()
        self._end_reason = ""

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def kind(self) -> str:
        return self.row.kind

    @property
    def subject(self) -> str:
        """The resource's id; empty for a periodic task."""
        return self.row.subject or ""

    @functools.cached_property
    def payload(self) -> Any:
        """What was given to `enqueue`."""
        return msgspec.json.decode(self.row.payload)

    @property
    def attempts(self) -> int:
        """Which attempt this is, from 1."""
        return self.row.attempts

    def context(self) -> Context:
        """The request this job belongs to, for bus calls and other services' clients. It carries no rights."""
        row = self.row
        return Context(
            request_id=self.request_id,
            global_request_id=row.global_request_id,
            project_id=row.project_id,
            user_id=row.user_id,
        )

    def remaining_s(self, at_most: float = 3600.0) -> float:
        """Seconds until the deadline, never below 0: the timeout to give to whatever is called."""
        if self.deadline_at is None:
            return at_most
        return max(0.0, min(at_most, (self.deadline_at - self._clock.now()) / SECOND))

    def check(self) -> None:
        """Raise LeaseLost once the job is no longer ours. To be called between the steps of long work."""
        if self._ended.is_set():
            raise LeaseLost(self._end_reason)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the job is ours: raises LeaseLost as `check` does."""
        self._ended.wait(seconds)
        self.check()

    def fence(self, conn: Connection) -> None:
        """Make the caller's transaction valid only while this run holds the lease; raises LeaseLost if it does not.

        The row stays locked until the transaction ends, so nobody can take the job over in between.
        """
        self.check()
        if not self._store.owns(conn, self.row):
            raise LeaseLost(f"job {self.id} was taken over")

    def complete(self, conn: Connection) -> None:
        """Mark the job as done in the transaction of its last change, so that both happen or neither does."""
        self.check()
        if not self._store.complete(conn, self.row, self._clock.now()):
            raise LeaseLost(f"job {self.id} was taken over")
        self.completed = True

    def end(self, reason: str) -> None:
        """Tell the handler to stop. Called by the engine."""
        self._end_reason = reason
        self._ended.set()
