"""A service with nothing but jobs, on a fresh database, and an engine to run them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from cumulet.kernel.db import Database, run_again
from cumulet.kernel.engine import Engine, Limits
from cumulet.kernel.jobs import SYSTEM_CLOCK, Clock, JobRegistry, JobRow, enqueue, get_job, jobs_table, microseconds

START = 1_700_000_000_000_000


class HandClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += microseconds(seconds)


class Cloud:
    """One service's database with a table of jobs and one of servers, a resource jobs are about."""

    def __init__(self, url: str) -> None:
        metadata = sa.MetaData()
        self.jobs = jobs_table(metadata)
        self.servers = sa.Table(
            "servers",
            metadata,
            sa.Column("id", sa.String(64), primary_key=True),
            sa.Column("status", sa.String(16), nullable=False),
            sa.Column("fault", sa.Text),
        )
        self.db = Database(url, durable=False)
        metadata.create_all(self.db.engine)
        self.registry = JobRegistry()

    def close(self) -> None:
        self.db.close()

    def enqueue(self, kind: str, payload: Any = None, *, subject: str | None = "s1", **options: Any) -> str:
        def write() -> str:
            with self.db.write() as conn:
                return enqueue(conn, self.jobs, kind, payload, subject=subject, **options)

        return run_again(write)

    def find(self, job_id: str) -> JobRow | None:
        with self.db.read() as conn:
            return get_job(conn, self.jobs, job_id)

    def job(self, job_id: str) -> JobRow:
        row = self.find(job_id)
        assert row is not None
        return row

    def add_server(self, server_id: str, status: str = "BUILD") -> None:
        with self.db.write() as conn:
            conn.execute(self.servers.insert(), {"id": server_id, "status": status})

    def set_server(self, conn: sa.Connection, server_id: str, status: str, fault: str | None = None) -> None:
        conn.execute(self.servers.update().where(self.servers.c.id == server_id).values(status=status, fault=fault))

    def server(self, server_id: str) -> tuple[str, str | None]:
        c = self.servers.c
        with self.db.read() as conn:
            row = conn.execute(sa.select(c.status, c.fault).where(c.id == server_id)).one()
        return row[0], row[1]

    @contextlib.contextmanager
    def engine(self, *, clock: Clock = SYSTEM_CLOCK, wake_path: Any = None, **limits: Any) -> Iterator[Engine]:
        """An engine that runs while the block does."""
        limits = {"poll_s": 0.05, "drain_s": 2.0, **limits}
        service = ("compute", self.db, self.jobs, self.registry, "container")
        engine = Engine([service], wake_path=wake_path, limits=Limits(**limits), clock=clock)
        stop = threading.Event()
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            yield engine
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "the engine did not stop"

    def until_over(self, job_id: str, timeout_s: float = 60.0) -> JobRow:
        return eventually(lambda: row if (row := self.job(job_id)).finished_at else None, timeout_s)


def eventually(look: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """The first true value that `look` returns."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to that in time")
