"""Putting a job into a service's table, as part of the transaction that makes it necessary."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.context import Context, current_request
from cumulet.kernel.jobs.clock import SYSTEM_CLOCK, Clock, microseconds
from cumulet.kernel.jobs.table import KEY_LENGTH, KIND_LENGTH, QUEUED, SUBJECT_LENGTH, new_id

DEADLINE_S = 3600.0
MAX_ATTEMPTS = 10

_encode = msgspec.json.Encoder().encode


def enqueue(
    conn: Connection,
    table: sa.Table,
    kind: str,
    payload: Any = None,
    *,
    subject: str | None,
    run_at: int | None = None,
    deadline_s: float = DEADLINE_S,
    key: str | None = None,
    max_attempts: int = MAX_ATTEMPTS,
    ctx: Context | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """Write a job into the caller's transaction and return its id. Call `wake` once that has committed.

    payload: what the handler needs, as JSON can say it. subject: the id of the resource the job is about.
    run_at: not before this time (microseconds since the epoch); now by default. deadline_s: seconds after which
    the job has failed, from when it is first run, however long it stood in line. ctx: who asked; without it the request
    this thread works for is recorded.

    key: jobs of one kind and key do the same work, so at most one waits and at most one runs. Where one waits
    already it is kept: it takes the newer payload, the earlier start and the later deadline, and its id is returned.
    Its row stays locked until this transaction ends, so no engine can start it before this change is visible to it.
    """
    for name, value, limit in (("kind", kind, KIND_LENGTH), ("subject", subject, SUBJECT_LENGTH)):
        if value is not None and len(value) > limit:
            raise ValueError(f"{name} of a job has at most {limit} characters")
    now = clock.now()
    start = now if run_at is None else run_at
    values = {
        "id": new_id(now),
        "kind": kind,
        "subject": subject,
        "unique_key": key,
        "state": QUEUED,
        "payload": _encode(payload).decode(),
        "created_at": now,
        "run_at": start,
        "deadline_at": max(now, start) + microseconds(deadline_s),
        "attempts": 0,
        "max_attempts": max_attempts,
        "due_at": start,
        "slot": None,
        **_origin(ctx),
    }
    if key is None:
        conn.execute(table.insert(), values)
        return str(values["id"])
    if len(key) > KEY_LENGTH:
        raise ValueError(f"key of a job has at most {KEY_LENGTH} characters")
    values["slot"] = slot = f"q:{kind}:{key}"
    conn.execute(_insert_or_join(conn, table, values))
    return conn.execute(sa.select(table.c.id).where(table.c.slot == slot)).scalar_one()


def _origin(ctx: Context | None) -> dict[str, str | None]:
    if ctx is not None:
        return {
            "request_id": ctx.request_id or None,
            "global_request_id": ctx.global_request_id,
            "project_id": ctx.project_id,
            "user_id": ctx.user_id,
        }
    request_id, global_request_id = current_request.get() or (None, None)
    return {
        "request_id": request_id,
        "global_request_id": global_request_id,
        "project_id": None,
        "user_id": None,
    }


def _insert_or_join(conn: Connection, table: sa.Table, values: dict[str, Any]) -> sa.Executable:
    def joined(new: sa.ColumnCollection[str, Any] | Any) -> dict[str, Any]:
        old = table.c
        return {
            "payload": new.payload,
            "run_at": sa.case((old.run_at > new.run_at, new.run_at), else_=old.run_at),
            "due_at": sa.case((old.due_at > new.due_at, new.due_at), else_=old.due_at),
            "deadline_at": sa.case((old.deadline_at < new.deadline_at, new.deadline_at), else_=old.deadline_at),
        }

    # Only the dialect in use is loaded: the others are some megabytes of every process.
    if conn.dialect.name == "mysql":
        from sqlalchemy.dialects import mysql

        on_mariadb = mysql.insert(table).values(values)
        return on_mariadb.on_duplicate_key_update(joined(on_mariadb.inserted))
    if conn.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        on_postgresql = postgresql.insert(table).values(values)
        return on_postgresql.on_conflict_do_update(index_elements=["slot"], set_=joined(on_postgresql.excluded))
    from sqlalchemy.dialects import sqlite

    on_sqlite = sqlite.insert(table).values(values)
    return on_sqlite.on_conflict_do_update(index_elements=["slot"], set_=joined(on_sqlite.excluded))
