"""The statements by which an engine moves job rows from state to state. Each is guarded by the lease.

Every method takes the connection of a transaction (`db.write()`), other than `next_due`, which only reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.jobs.registry import JobSpec
from cumulet.kernel.jobs.table import DONE, FAILED, QUEUED, RUNNING, JobRow

_LONGEST_REASON = 4000


class Finished(NamedTuple):
    """The handler has returned."""

    row: JobRow


class Requeued(NamedTuple):
    """The row is to wait for another run at `run_at`, counted as `attempts` so far."""

    row: JobRow
    run_at: int
    attempts: int
    reason: str | None


Outcome = Finished | Requeued


class JobStore:
    """One service's table of jobs. A `JobRow` that was claimed carries in `lease_owner` the token of that claim."""

    def __init__(self, table: sa.Table) -> None:
        self.table = table
        c = table.c
        self._next_due = sa.select(sa.func.min(c.due_at)).where(c.due_at.is_not(None))
        self._next_due_after = sa.select(sa.func.min(c.due_at)).where(c.due_at > sa.bindparam("after"))
        holder = table.alias("holder")
        # No `state = running or not held`: PostgreSQL would read the whole table for a subquery below an OR.
        held = sa.exists().where(
            holder.c.slot == sa.literal("r").concat(sa.func.substr(c.slot, 2)), holder.c.id != c.id
        )
        self._due = (
            sa.select(table)
            .where(
                c.due_at <= sa.bindparam("now"),
                # A kind that no engine knows any more ends at its deadline like every other.
                sa.or_(c.kind.in_(sa.bindparam("kinds", expanding=True)), c.deadline_at < sa.bindparam("now")),
                ~held,
            )
            .order_by(c.due_at)
            .limit(sa.bindparam("count"))
            .with_for_update(skip_locked=True)
        )
        late = sa.and_(
            c.started_at.is_(None),
            c.run_at < sa.bindparam("now", type_=sa.BigInteger),
            c.kind.in_(sa.bindparam("kinds", expanding=True)),
        )
        from_now = c.deadline_at + sa.bindparam("now", type_=sa.BigInteger) - c.run_at
        self._lease = (
            table.update()
            .where(c.id.in_(sa.bindparam("ids", expanding=True)))
            .values(
                state=RUNNING,
                lease_owner=sa.bindparam("token"),
                due_at=sa.bindparam("lease_end"),
                attempts=c.attempts + 1,
                deadline_at=sa.case((late, from_now), else_=c.deadline_at),
                started_at=sa.func.coalesce(c.started_at, sa.bindparam("now", type_=sa.BigInteger)),
                slot=sa.case((c.slot.is_(None), None), else_=sa.literal("r").concat(sa.func.substr(c.slot, 2))),
            )
        )
        owned = (
            c.id.in_(sa.bindparam("ids", expanding=True)),
            c.state == RUNNING,
            c.lease_owner == sa.bindparam("token"),
        )
        self._own = sa.select(c.id).where(*owned).with_for_update()
        self._renew = table.update().where(*owned).values(due_at=sa.bindparam("lease_end"))
        over: dict[str, Any] = {"finished_at": sa.bindparam("now"), "due_at": None, "slot": None}
        self._finish = table.update().where(*owned).values(state=DONE, last_error=None, **over)
        self._fail = table.update().where(*owned).values(state=FAILED, last_error=sa.bindparam("reason"), **over)
        self._merge = table.update().where(*owned).values(state=DONE, last_error=sa.bindparam("reason"), **over)
        self._requeue = (
            table.update()
            .where(*owned)
            .values(
                state=QUEUED,
                run_at=sa.bindparam("again_at"),
                due_at=sa.bindparam("again_at"),
                attempts=sa.bindparam("tries"),
                last_error=sa.bindparam("reason"),
                slot=sa.bindparam("waiting"),
            )
        )
        self._waiting = sa.select(c.id).where(c.slot == sa.bindparam("waiting"))

    def next_due(self, conn: Connection, after: int | None = None) -> int | None:
        """When the first row is due, or the first later than `after`: one look at the end of one index."""
        if after is None:
            return conn.execute(self._next_due).scalar()
        return conn.execute(self._next_due_after, {"after": after}).scalar()

    def claim(
        self, conn: Connection, *, kinds: Sequence[str], token: str, now: int, lease_us: int, count: int
    ) -> list[JobRow]:
        """Lease up to `count` due rows, the longest waiting first, among them those whose lease has run out.

        A keyed job waits while another of its key runs. Rows that another engine is claiming are passed over. The time
        that a job has begins with its first claim: standing in line behind thousands of others is no failure.
        """
        parameters = {"now": now, "kinds": list(kinds), "count": count}
        rows = [JobRow(*row) for row in conn.execute(self._due, parameters)]
        if not rows:
            return []
        lease_end = now + lease_us
        ids = [row.id for row in rows]
        claimed = {"ids": ids, "kinds": list(kinds), "token": token, "lease_end": lease_end, "now": now}
        self._exec(conn, self._lease, claimed)
        return [_leased(row, token, lease_end, now, kinds) for row in rows]

    def owns(self, conn: Connection, row: JobRow) -> bool:
        """Whether the claim still holds; if so the row is locked until the transaction ends."""
        return conn.execute(self._own, {"ids": [row.id], "token": row.lease_owner}).first() is not None

    def renew(self, conn: Connection, rows: Iterable[JobRow], lease_end: int) -> set[str]:
        """Extend the leases to `lease_end` and return the ids of those that are lost."""
        lost: set[str] = set()
        for token, ids in _by_token(rows).items():
            done = conn.execute(self._renew, {"ids": ids, "token": token, "lease_end": lease_end})
            if done.rowcount != len(ids):
                kept = {row[0] for row in conn.execute(self._own, {"ids": ids, "token": token})}
                lost.update(set(ids) - kept)
        return lost

    def settle(self, conn: Connection, outcomes: Iterable[Outcome], now: int) -> None:
        """Write how the runs ended. A run whose lease was lost meanwhile writes nothing."""
        finished = [outcome.row for outcome in outcomes if isinstance(outcome, Finished)]
        for token, ids in _by_token(finished).items():
            conn.execute(self._finish, {"ids": ids, "token": token, "now": now})
        for outcome in outcomes:
            if isinstance(outcome, Requeued):
                self._settle_requeued(conn, outcome, now)

    def _settle_requeued(self, conn: Connection, outcome: Requeued, now: int) -> None:
        row = outcome.row
        owned = {"ids": [row.id], "token": row.lease_owner}
        waiting = None if row.unique_key is None else f"q:{row.kind}:{row.unique_key}"
        if waiting is not None:
            newer = conn.execute(self._waiting, {"waiting": waiting}).scalar()
            if newer is not None:
                reason = f"{outcome.reason or 'Interrupted.'} Job {newer} goes on with it."
                conn.execute(self._merge, {**owned, "now": now, "reason": _storable(reason)})
                return
        again = {"again_at": outcome.run_at, "tries": outcome.attempts, "reason": _storable(outcome.reason)}
        self._exec(conn, self._requeue, {**owned, **again, "waiting": waiting})

    def fail(self, conn: Connection, row: JobRow, reason: str, now: int) -> bool:
        """Mark the job as failed; False when the lease was lost, so that another decides."""
        parameters = {"ids": [row.id], "token": row.lease_owner, "reason": _storable(reason), "now": now}
        return conn.execute(self._fail, parameters).rowcount == 1

    def complete(self, conn: Connection, row: JobRow, now: int) -> bool:
        """Mark the job as done; False when the lease was lost."""
        parameters = {"ids": [row.id], "token": row.lease_owner, "now": now}
        return conn.execute(self._finish, parameters).rowcount == 1

    def leases(self, conn: Connection) -> list[tuple[str, str]]:
        """(job id, lease token) of everything that is running."""
        c = self.table.c
        query = sa.select(c.id, c.lease_owner).where(c.due_at >= 0, c.state == RUNNING)
        return [(row[0], row[1]) for row in conn.execute(query)]

    def end_lease(self, conn: Connection, job_id: str, token: str, now: int) -> None:
        """Let the lease of a dead engine run out at once; the job is then claimed like any other."""
        c = self.table.c
        owned = (c.id == job_id, c.state == RUNNING, c.lease_owner == token)
        conn.execute(self.table.update().where(*owned).values(due_at=now))

    def ensure_periodic(self, conn: Connection, spec: JobSpec, now: int, first_at: int, latest_at: int) -> None:
        """Have the one row of a periodic task, due at `latest_at` at the latest where the period became shorter."""
        c = self.table.c
        job_id = spec.kind
        found = conn.execute(sa.select(c.run_at).where(c.id == job_id)).first()
        if found is None:
            values = {
                "id": job_id,
                "kind": spec.kind,
                "state": QUEUED,
                "payload": "null",
                "created_at": now,
                "run_at": first_at,
                "due_at": first_at,
                "attempts": 0,
                "max_attempts": 0,
            }
            self._exec(conn, self.table.insert(), values)
            return
        too_late = (c.id == job_id, c.state == QUEUED, c.due_at > latest_at)
        conn.execute(self.table.update().where(*too_late).values(run_at=latest_at, due_at=latest_at))

    def _exec(self, conn: Connection, statement: sa.Executable, parameters: dict[str, object]) -> None:
        """Execute; where a concurrent transaction was first to take the same slot or id, start over and see its row."""
        try:
            conn.execute(statement, parameters)
        except IntegrityError as error:
            if violates_unique(error):
                raise TransactionLost(str(error.orig)) from error
            raise


def _storable(reason: str | None) -> str | None:
    """A reason that every database takes: PostgreSQL refuses NUL, and none takes half a surrogate pair."""
    if reason is None:
        return None
    return reason.replace("\0", "").encode(errors="replace").decode()[:_LONGEST_REASON]


def _by_token(rows: Iterable[JobRow]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        ids[row.lease_owner or ""].append(row.id)
    return ids


def _leased(row: JobRow, token: str, lease_end: int, now: int, kinds: Sequence[str]) -> JobRow:
    is_late = row.started_at is None and row.run_at < now and row.kind in kinds
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    values.update(
        state=RUNNING,
        lease_owner=token,
        due_at=lease_end,
        attempts=row.attempts + 1,
        deadline_at=row.deadline_at + now - row.run_at if is_late and row.deadline_at is not None else row.deadline_at,
        started_at=row.started_at if row.started_at is not None else now,
    )
    return JobRow(**values)
