"""Reading jobs back: what happened to a resource, how much waits, and purging what is over."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.jobs.clock import SYSTEM_CLOCK, Clock, microseconds
from cumulet.kernel.jobs.registry import PERIODIC_PREFIX
from cumulet.kernel.jobs.table import QUEUED, JobRow


class Backlog(NamedTuple):
    """How many rows wait or run, and for how many seconds the oldest has been due (0 when nothing is late)."""

    open: int
    late_s: float


def get_job(conn: Connection, table: sa.Table, job_id: str) -> JobRow | None:
    row = conn.execute(sa.select(table).where(table.c.id == job_id)).first()
    return None if row is None else JobRow(*row)


def jobs_of(
    conn: Connection, table: sa.Table, subject: str, *, limit: int = 1000, before: JobRow | None = None
) -> list[JobRow]:
    """The jobs of one resource, newest first; `before` is the last row of the page before this one."""
    c = table.c
    query = sa.select(table).where(c.subject == subject)
    if before is not None:
        query = query.where(sa.tuple_(c.created_at, c.id) < sa.tuple_(sa.literal(before.created_at), before.id))
    query = query.order_by(c.created_at.desc(), c.id.desc()).limit(limit)
    return [JobRow(*row) for row in conn.execute(query)]


def jobs_of_request(conn: Connection, table: sa.Table, request_id: str, *, limit: int = 1000) -> list[JobRow]:
    """The jobs that one request caused, by its local or its global id, oldest first.

    For `cumulet trace`: it reads the whole table, since an index nobody else needs would slow every write.
    """
    c = table.c
    query = sa.select(table).where(sa.or_(c.request_id == request_id, c.global_request_id == request_id))
    return [JobRow(*row) for row in conn.execute(query.order_by(c.created_at, c.id).limit(limit))]


def backlog(conn: Connection, table: sa.Table, *, clock: Clock = SYSTEM_CLOCK) -> Backlog:
    c = table.c
    counted = sa.select(sa.func.count(), sa.func.min(c.due_at)).where(
        c.due_at >= 0, c.kind.not_like(f"{PERIODIC_PREFIX}%")
    )
    count, first = conn.execute(counted).one()
    late = 0 if first is None else max(0, clock.now() - first)
    return Backlog(count, late / 1_000_000)


def purge(
    conn: Connection, table: sa.Table, *, older_than_s: float, limit: int = 1000, clock: Clock = SYSTEM_CLOCK
) -> int:
    """Delete up to `limit` jobs that were over `older_than_s` seconds ago; the number deleted.

    Rows of periodic tasks that no engine has run for that long are deleted too: their code is gone.
    """
    c = table.c
    cutoff = clock.now() - microseconds(older_than_s)
    forgotten = sa.and_(c.due_at < cutoff, c.state == QUEUED, c.kind.like(f"{PERIODIC_PREFIX}%"))
    ids: list[str] = []
    for condition in (c.finished_at < cutoff, forgotten):
        ids += conn.execute(sa.select(c.id).where(condition).limit(limit - len(ids))).scalars()
        if len(ids) >= limit:
            break
    if ids:
        conn.execute(table.delete().where(c.id.in_(ids)))
    return len(ids)
