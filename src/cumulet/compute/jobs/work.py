"""One job on one server: every step checks that the server still waits for this job and no other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import servers, services
from cumulet.compute.jobs import ending, turns
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.bus import HostUnreachable, RemoteError
from cumulet.kernel.errors import NotFound
from cumulet.kernel.jobs import GiveUp, Job, Retry
from cumulet.kernel.jobs.registry import Handler

log = logging.getLogger(__name__)

CALL_S = 120.0
_AGAIN_S = 1.0


class Superseded(Exception):
    """The server is deleted, was reset, or waits for another job: this one has no say any more."""


def is_for(job: Job, row: Row[Any] | None) -> bool:
    """Whether the server waits for this job: a later wish, a reset or a deletion takes its say away."""
    return row is not None and not row.deleted and row.generation == job.payload["generation"]


class Work:
    """What a handler works with. `row` is the server as it was last seen or changed here."""

    def __init__(self, job: Job, compute: Compute) -> None:
        self.job = job
        self.compute = compute
        self.payload: dict[str, Any] = job.payload
        self.row = self.look()

    def look(self) -> Row[Any]:
        """The server as it is now. Raises Superseded."""
        with self.compute.db.read() as connection:
            row = servers.load_any(connection, self.job.subject)
        if row is None or not is_for(self.job, row):
            raise Superseded
        self.row = row
        return row

    def change(self, also: Callable[[Connection], None] | None = None, /, **values: Any) -> Row[Any]:
        """Set columns while the job is ours and the server waits for it; `also` writes in the same transaction."""
        with self.compute.db.write() as connection:
            self.job.fence(connection)
            now = servers.load_any(connection, self.job.subject, lock=True)
            if now is None or not is_for(self.job, now):
                raise Superseded
            if values:
                servers.change(connection, now.id, self.compute.now(), **values)
            if also is not None:
                also(connection)
            row = servers.load_any(connection, now.id)
        assert row is not None
        self.row = row
        return row

    def finish(
        self, event: str, host: str | None = None, also: Callable[[Connection], None] | None = None, /, **values: Any
    ) -> None:
        """The last change, the action's event and the job's end, all or nothing."""

        def end(connection: Connection) -> None:
            if also is not None:
                also(connection)
            ending.enter_event(self.compute, connection, self.job, event, host or self.row.host)
            forget_password(connection, self.job)
            self.job.complete(connection)

        self.change(end, **{"task_state": None, **values})

    def ask(self, host: str, method: str, timeout_s: float = CALL_S, **args: Any) -> Any:
        """`compute.<method>` at a host, run once however often the job is. Raises GiveUp with the host's reason."""
        self.job.check()
        try:
            return self._call(host, method, args, timeout_s, f"{self.job.id}-{method}")
        except RemoteError as error:
            raise GiveUp(f"Host {host} could not {method.replace('_', ' ')}: {error}") from None

    def look_at(self, host: str, method: str) -> Any:
        """What a host says now. Raises Retry when it cannot."""
        try:
            return self._call(host, method, {}, CALL_S, None)
        except RemoteError as error:
            raise Retry(_AGAIN_S, f"Host {host} could not say its {method}: {error}") from None

    def insist(self, host: str, method: str, timeout_s: float = CALL_S, **args: Any) -> None:
        """See the function."""
        insist(self.job, self.compute, host, method, timeout_s, **args)

    def _call(self, host: str, method: str, args: dict[str, Any], timeout_s: float, call_id: str | None) -> Any:
        try:
            return reach(self.job, self.compute, host, method, args, timeout_s, call_id)
        except HostUnreachable as error:
            raise GiveUp(str(error)) from None


def reach(
    job: Job,
    compute: Compute,
    host: str,
    method: str,
    args: dict[str, Any],
    timeout_s: float = CALL_S,
    call_id: str | None = None,
) -> Any:
    """`compute.<method>` at a host.

    Raises Retry while a host that counts as up cannot be reached, HostUnreachable when it is down, RemoteError.
    """
    try:
        return compute.bus.call(
            host,
            f"compute.{method}",
            args,
            timeout_s=job.remaining_s(timeout_s),
            ctx=job.context(),
            call_id=call_id,
        )
    except HostUnreachable as error:
        if is_up(compute, host):
            # Its agent is being started again, or the host has just died: until that is known it is asked for.
            raise Retry(_AGAIN_S, str(error)) from None
        raise


def insist(job: Job, compute: Compute, host: str, method: str, timeout_s: float = CALL_S, **args: Any) -> None:
    """Have it done at a host, for cleaning up: a guest that is not there and a host that is down are right too.

    Raises Retry while the host refuses.
    """
    job.check()
    try:
        reach(job, compute, host, method, args, timeout_s)
    except HostUnreachable as error:
        log.info("%s is done without: %s", method, error)
    except RemoteError as error:
        if error.type != "NoSuchGuest":
            raise Retry(_AGAIN_S, f"Host {host} could not {method.replace('_', ' ')}: {error}") from None


def forget_password(connection: Connection, job: Job) -> None:
    """A job that is over is kept for a while; what it was told in confidence is not."""
    if "admin_password" in job.payload:
        rest = {name: value for name, value in job.payload.items() if name != "admin_password"}
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(payload=servers.encode(rest)))


def is_up(compute: Compute, host: str) -> bool:
    """Whether the host's agent reports."""
    with compute.db.read() as connection:
        try:
            return services.is_up(compute, services.of_host(connection, host))
        except NotFound:
            return False


def handler(run: Callable[[Work], None]) -> Handler:
    """A job handler out of a function on Work; a superseded job just ends."""

    def handle(job: Job, compute: Compute) -> None:
        try:
            work = Work(job, compute)
            turns.await_turn(job, compute, turns.PLUGGING)
            run(work)
        except Superseded:
            with compute.db.write() as connection:
                forget_password(connection, job)

    return handle


def fails_to_error(event: str) -> Callable[[Job, Compute, Connection, str], None]:
    """Given up, the server is in ERROR with the reason."""

    def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
        row = servers.load_any(connection, job.subject, lock=True)
        if row is None or not is_for(job, row):
            return
        ending.enter_event(compute, connection, job, event, row.host, reason)
        forget_password(connection, job)
        ending.error(compute, connection, row.id, reason)

    return failed


def fails_back(event: str) -> Callable[[Job, Compute, Connection, str], None]:
    """Given up, the server is what it was; its history has the reason."""

    def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
        row = servers.load_any(connection, job.subject, lock=True)
        if row is None or not is_for(job, row):
            return
        ending.enter_event(compute, connection, job, event, row.host, reason)
        forget_password(connection, job)
        values: dict[str, Any] = {"task_state": None, "progress": 0, "fault": ending.fault(compute, reason)}
        servers.change(connection, row.id, compute.now(), **values)

    return failed
