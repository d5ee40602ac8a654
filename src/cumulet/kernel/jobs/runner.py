"""One service's part of an engine: a thread that claims due jobs, keeps their leases, and writes how they ended.

All bookkeeping of one round (ends of runs, leases, new claims) is ONE transaction, so that a busy engine pays for
one synchronous write a round, not for two a job.
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa

from cumulet.kernel.db import Database, run_again
from cumulet.kernel.jobs.clock import SECOND, Clock, microseconds
from cumulet.kernel.jobs.execution import Execution, deadline_reason
from cumulet.kernel.jobs.history import purge
from cumulet.kernel.jobs.job import Job
from cumulet.kernel.jobs.owner import LeaseOwner
from cumulet.kernel.jobs.registry import PERIODIC_PREFIX, JobRegistry, JobSpec
from cumulet.kernel.jobs.store import JobStore, Outcome, Requeued
from cumulet.kernel.jobs.table import JobRow
from cumulet.kernel.jobs.workers import Workers

log = logging.getLogger(__name__)

_PURGE_EVERY_S = 3600.0
_PURGE_BATCH = 1000
_TROUBLE_WAIT_S = 10.0
_LAST_MOMENT_S = 1.0


class Service(NamedTuple):
    """What an engine needs of a service; `container` is handed to every handler."""

    name: str
    db: Database
    table: sa.Table
    registry: JobRegistry
    container: Any


class Limits(NamedTuple):
    """lease_s: how long a job stays with a dead engine. poll_s: how long a lost wake-up is noticed late."""

    workers: int = 8
    lease_s: float = 15.0
    poll_s: float = 1.0
    drain_s: float = 10.0
    keep_finished_s: float = 30 * 86400.0


class Counts(NamedTuple):
    """What a runner has done since it started."""

    started: int
    settled: int
    running: int


class _Run(NamedTuple):
    job: Job
    spec: JobSpec | None


class ServiceRunner:
    """Claims and runs the jobs of one service, at most `limits.workers` at a time."""

    def __init__(self, service: Service, owner: LeaseOwner, clock: Clock, limits: Limits) -> None:
        self.name = service.name
        self._db = service.db
        self._registry = service.registry
        self._store = JobStore(service.table)
        self._owner = owner
        self._clock = clock
        self._limits = limits
        self._execution = Execution(service.db, self._store, service.container, clock)
        self._threads = Workers(f"job-{service.name}")
        self._attention = threading.Event()
        self._runs: dict[str, _Run] = {}  # by lease token and job id; touched by the runner's thread only
        self._ended: collections.deque[tuple[str | None, Outcome | None]] = collections.deque()
        self._unwritten: list[Outcome] = []
        self._renew_at = 0
        self._lease_end = 0
        self._started = self._settled = 0
        if self._registry.get(f"{PERIODIC_PREFIX}purge-jobs") is None:
            keep_s = limits.keep_finished_s
            self._registry.periodic("purge-jobs", _PURGE_EVERY_S, lambda job, container: _purge(service, keep_s, clock))

    def wake(self) -> None:
        """Look for due jobs now."""
        self._attention.set()

    def counts(self) -> Counts:
        return Counts(self._started, self._settled, len(self._runs))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set (and `wake` called), then let what runs finish or give it back."""
        self._guarded(self._prepare, stop)
        while not stop.is_set():
            wait_s = self._guarded(lambda: self._round(claiming=True), stop)
            self._attention.wait(wait_s)
            self._attention.clear()
        self._drain()

    def _guarded(self, step: Callable[[], float], stop: threading.Event) -> float:
        """Do one step until the database lets it through; the seconds to wait before the next."""
        failures = 0
        while True:
            try:
                return step()
            except Exception as error:
                failures += 1
                if failures == 1:
                    log.exception("jobs of %s: the database does not take this; trying again", self.name)
                else:
                    log.warning("jobs of %s: still no success: %s", self.name, error)
                self._drop_expired_leases()
            if stop.wait(min(_TROUBLE_WAIT_S, 0.25 * 2 ** min(failures, 8))):
                return 0.0

    def _prepare(self) -> float:
        run_again(self._prepare_rows)
        return 0.0

    def _prepare_rows(self) -> None:
        now = self._clock.now()
        with self._db.write() as conn:
            for job_id, token in self._store.leases(conn):
                if self._owner.is_dead(token):
                    self._store.end_lease(conn, job_id, token, now)
            for spec in self._registry.periodic_specs():
                first = now + microseconds(spec.first_after_s)
                latest = now + microseconds(spec.every_s or 0)
                self._store.ensure_periodic(conn, spec, now, first, latest)

    def _round(self, *, claiming: bool) -> float:
        """Settle, renew, claim; the seconds until there is something to do again, at most `poll_s`."""
        now = self._clock.now()
        self._end_overdue(now)
        self._collect()
        renew = bool(self._runs) and now >= self._renew_at
        free = self._limits.workers - len(self._runs) if claiming else 0
        next_due: int | None = None
        if not self._unwritten and not renew:
            if free <= 0:
                return self._wait_s(now, None)
            with self._db.read() as conn:
                next_due = self._store.next_due(conn)
            if next_due is None or next_due > now:
                return self._wait_s(now, next_due)
        rows, lost, next_due = run_again(lambda: self._write_round(now, renew=renew, free=free))
        self._settled += len(self._unwritten)
        self._unwritten.clear()
        for key in lost:
            self._abandon(key, "its lease was lost")
        for row in rows:
            self._start(row)
        return self._wait_s(now, next_due)

    def _write_round(self, now: int, *, renew: bool, free: int) -> tuple[list[JobRow], set[str], int | None]:
        """The one transaction of a round: (claimed rows, keys of lost runs, when the next row is due)."""
        lease_us = microseconds(self._limits.lease_s)
        rows: list[JobRow] = []
        lost: set[str] = set()
        next_due: int | None = None
        with self._db.write() as conn:
            self._store.settle(conn, self._unwritten, now)
            if renew:
                running = [run.job.row for run in self._runs.values()]
                gone = self._store.renew(conn, running, now + lease_us)
                # One whose handler has ended it has no lease either, and only has to return.
                lost = {key for key, run in self._runs.items() if run.job.id in gone and not run.job.completed}
            if free > 0:
                token = self._owner.token()
                kinds = self._registry.kinds()
                rows = self._store.claim(conn, kinds=kinds, token=token, now=now, lease_us=lease_us, count=free)
                if len(rows) < free:
                    next_due = self._store.next_due(conn, after=now)
        if renew or (rows and not self._runs):
            self._lease_end = now + lease_us
            self._renew_at = now + lease_us // 3
        return rows, lost, next_due

    def _start(self, row: JobRow) -> None:
        spec = self._registry.get(row.kind)
        deadline_at = row.deadline_at
        if spec is not None and spec.every_s is not None:
            deadline_at = self._clock.now() + microseconds(spec.timeout_s)
        job = Job(row, self._db, self._store, deadline_at=deadline_at, clock=self._clock)
        key = f"{row.lease_owner} {row.id}"
        self._runs[key] = _Run(job, spec)
        self._started += 1
        self._threads.submit(lambda: self._work(key, job, spec))

    def _work(self, key: str, job: Job, spec: JobSpec | None) -> None:
        """In a worker thread: run the job and leave its outcome to the runner's thread."""
        outcome: Outcome | None = None
        try:
            outcome = self._execution.run(job, spec)
        except Exception:
            # Not even the failure could be written: the lease runs out, and whoever claims the job next goes on.
            log.exception("job %s (%s) is left to its lease", job.id, job.kind)
        finally:
            self._ended.append((key, outcome))
            self._attention.set()

    def _collect(self) -> None:
        while self._ended:
            key, outcome = self._ended.popleft()
            wanted = key is None or self._runs.pop(key, None) is not None  # not the end of an abandoned run
            if wanted and outcome is not None:
                self._unwritten.append(outcome)

    def _end_overdue(self, now: int) -> None:
        """Fail running jobs whose deadline has passed; their handlers learn it at their next `check` or `fence`."""
        for key, run in list(self._runs.items()):
            deadline_at = run.job.deadline_at
            if deadline_at is None or now < deadline_at:
                continue
            self._abandon(key, "its deadline passed")
            if run.spec is not None and run.spec.every_s is not None:
                reason = f"Not finished within {run.spec.timeout_s:.0f} seconds."
                again_at = now + microseconds(run.spec.backoff.delay_s(run.job.attempts))
                self._unwritten.append(Requeued(run.job.row, again_at, run.job.attempts, reason))
            else:
                self._threads.submit(lambda run=run: self._fail_overdue(run))  # type: ignore[misc]

    def _fail_overdue(self, run: _Run) -> None:
        try:
            outcome = self._execution.fail(run.job, run.spec, deadline_reason(run.job))
        except Exception:
            log.exception("job %s (%s) is left to its lease", run.job.id, run.job.kind)
            return
        self._ended.append((None, outcome))
        self._attention.set()

    def _abandon(self, key: str, why: str) -> None:
        run = self._runs.pop(key, None)
        if run is not None:
            log.warning("job %s (%s) is taken from its handler: %s", run.job.id, run.job.kind, why)
            run.job.end(f"job {run.job.id}: {why}")

    def _drop_expired_leases(self) -> None:
        if self._runs and self._clock.now() >= self._lease_end:
            for key in list(self._runs):
                self._abandon(key, "its lease ran out while the database was away")

    def _wait_s(self, now: int, next_due: int | None) -> float:
        until = [now + microseconds(self._limits.poll_s)]
        if next_due is not None and next_due > now:
            until.append(next_due)
        if self._runs:
            until.append(self._renew_at)
            until += [run.job.deadline_at for run in self._runs.values() if run.job.deadline_at is not None]
        return max(0.0, (min(until) - self._clock.now()) / SECOND)

    def _drain(self) -> None:
        """Finish what runs within `drain_s`; give back the rest, uncounted, for another engine to start at once."""
        end = self._clock.now() + microseconds(self._limits.drain_s)
        while self._busy() and self._clock.now() < end:
            self._guarded_last_round()
            self._attention.wait(0.05 if self._runs else 0.0)
            self._attention.clear()
        for run in self._runs.values():
            run.job.end(f"job {run.job.id}: the engine is stopping")
        end = self._clock.now() + microseconds(_LAST_MOMENT_S)
        while self._runs and self._clock.now() < end:
            self._attention.wait(0.05)
            self._attention.clear()
            self._collect()
        now = self._clock.now()
        for run in self._runs.values():
            row = run.job.row
            log.warning("job %s (%s) is given back unfinished", row.id, row.kind)
            self._unwritten.append(Requeued(row, now, row.attempts - 1, row.last_error))
        self._runs.clear()
        if self._unwritten:
            self._guarded_last_round()

    def _busy(self) -> bool:
        return bool(self._runs or self._ended or self._unwritten)

    def _guarded_last_round(self) -> None:
        try:
            self._round(claiming=False)
        except Exception:
            log.exception("jobs of %s: the end of a run could not be written; its lease decides", self.name)


def _purge(service: Service, keep_s: float, clock: Clock) -> None:
    """Delete old jobs in small transactions, so that nobody waits long for his turn to write."""
    while True:
        with service.db.write() as conn:
            deleted = purge(conn, service.table, older_than_s=keep_s, limit=_PURGE_BATCH, clock=clock)
        if deleted < _PURGE_BATCH:
            return
