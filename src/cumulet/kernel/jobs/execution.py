"""One run of one job: from its row to how it ended."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from cumulet.kernel.bus.errors import BusError
from cumulet.kernel.context import current_request
from cumulet.kernel.db import Database, run_again
from cumulet.kernel.jobs.clock import SECOND, Clock, microseconds
from cumulet.kernel.jobs.job import Job, LeaseLost
from cumulet.kernel.jobs.registry import Backoff, GiveUp, JobSpec, Retry
from cumulet.kernel.jobs.store import Finished, JobStore, Outcome, Requeued

log = logging.getLogger(__name__)

_ON_FAILURE_TRIES = 3


class Failed(NamedTuple):
    """The job is to be given up; `reason` is a sentence for its user."""

    reason: str


class Execution:
    """Runs jobs of one service. Stateless, so any thread may use it."""

    def __init__(self, db: Database, store: JobStore, container: Any, clock: Clock) -> None:
        self._db = db
        self._store = store
        self._container = container
        self._clock = clock

    def run(self, job: Job, spec: JobSpec | None) -> Outcome | None:
        """Run the handler, or the end of a job that may not run any more.

        Returns what is left to be written, or None when everything is written already.
        """
        mark = current_request.set((job.request_id, job.row.global_request_id))
        try:
            refusal = self._refusal(job, spec)
            result: Outcome | Failed | None
            if refusal is not None:
                result = Failed(refusal)
            elif spec is None:
                result = Failed(f"Nothing runs jobs of kind {job.kind}.")
            else:
                result = self._handle(job, spec)
            if isinstance(result, Failed):
                return self.fail(job, spec, result.reason)
            return result
        finally:
            current_request.reset(mark)

    def _refusal(self, job: Job, spec: JobSpec | None) -> str | None:
        """Why this job may not run again, or None."""
        row = job.row
        if spec is not None and spec.every_s is not None:
            return None
        if row.attempts > row.max_attempts:
            return row.last_error or f"The engine stopped {row.attempts - 1} times while it worked on this."
        if row.deadline_at is not None and row.deadline_at <= self._clock.now():
            return deadline_reason(job)
        return None

    def _handle(self, job: Job, spec: JobSpec) -> Outcome | Failed | None:
        row = job.row
        try:
            run_again(lambda: spec.handler(job, self._container))
        except Retry as again:
            return self._requeued(job, again.after_s, row.attempts - 1, again.reason)
        except LeaseLost:
            # Given back unchanged; writes nothing if it is another's by now.
            return Requeued(row, self._clock.now(), row.attempts - 1, row.last_error)
        except GiveUp as end:
            problem, hopeless = end.reason, True
        except BusError as error:
            log.warning("job %s (%s): %s", row.id, row.kind, error)
            problem, hopeless = str(error), False
        except BaseException as error:
            log.exception("job %s (%s) raised", row.id, row.kind)
            problem = f"An unexpected {type(error).__name__} occurred; the log has it under {job.request_id}."
            hopeless = False
        else:
            if spec.every_s is not None:
                return self._requeued(job, spec.every_s, 0, None)
            return None if job.completed else Finished(row)
        if spec.every_s is not None:
            return self._requeued(job, spec.backoff.delay_s(row.attempts), row.attempts, problem)
        if hopeless:
            return Failed(problem)
        if row.attempts >= row.max_attempts:
            return Failed(f"Tried {row.attempts} times. {problem}")
        return self._requeued(job, spec.backoff.delay_s(row.attempts), row.attempts, problem)

    def _requeued(self, job: Job, after_s: float, attempts: int, reason: str | None) -> Requeued:
        run_at = self._clock.now() + microseconds(after_s)
        if job.row.deadline_at is not None:
            run_at = min(run_at, job.row.deadline_at)  # to be told about its end in time
        return Requeued(job.row, run_at, attempts, reason)

    def fail(self, job: Job, spec: JobSpec | None, reason: str) -> Outcome | None:
        """Mark the job as failed and tell its resource, in one transaction.

        Where the resource cannot be told, the whole is tried a few times again before the row alone is marked.
        """
        row = job.row
        log.warning("job %s (%s) failed: %s", row.id, row.kind, reason)
        try:
            run_again(lambda: self._write_failure(job, spec, reason))
        except Exception:
            log.exception("job %s (%s): its failure could not be written", row.id, row.kind)
            tries = max(row.attempts, row.max_attempts)
            if tries < row.max_attempts + _ON_FAILURE_TRIES:
                pause = (spec.backoff if spec is not None else Backoff()).delay_s(tries - row.max_attempts + 1)
                run_at = self._clock.now() + microseconds(pause)
                return Requeued(row, run_at, tries, reason)
            run_again(lambda: self._write_failure(job, None, reason))
        return None

    def _write_failure(self, job: Job, spec: JobSpec | None, reason: str) -> None:
        with self._db.write() as conn:
            if not self._store.fail(conn, job.row, reason, self._clock.now()):
                return
            if spec is not None and spec.on_failure is not None:
                spec.on_failure(job, self._container, conn, reason)


def deadline_reason(job: Job) -> str:
    row = job.row
    begun = row.started_at if row.started_at is not None and row.started_at < (row.deadline_at or 0) else row.created_at
    allowed = ((row.deadline_at or 0) - begun) / SECOND
    return f"Not finished within {allowed:.0f} seconds. {row.last_error or ''}".rstrip()
