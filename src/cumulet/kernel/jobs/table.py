"""The table of jobs that each service puts into its own database, and one row of it.

Every service has its own, so that a job is written in the same transaction as the change that causes it.
"""

from __future__ import annotations

import uuid

import msgspec
import sqlalchemy as sa

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"

KIND_LENGTH = 64
SUBJECT_LENGTH = 255
KEY_LENGTH = 255
_MEDIUM = 4_000_000  # characters of four bytes: the smallest kind of MariaDB that holds as many is MEDIUMTEXT


def _exact(length: int) -> sa.types.TypeEngine[str]:
    """A string compared byte for byte; MariaDB's default collation would take `Foo` and `foo` for the same key."""
    on_mariadb = sa.String(length, collation="utf8mb4_bin")
    return sa.String(length).with_variant(on_mariadb, "mysql", "mariadb")


def jobs_table(metadata: sa.MetaData, name: str = "jobs") -> sa.Table:
    """Define the table of jobs in a service's metadata. All `*_at` columns are microseconds since the epoch, UTC.

    `due_at` is when an engine must next look at the row: `run_at` while it is queued, the end of the lease while it
    is running, NULL once it is over. So one small index answers both "what is to be run?" and "whose engine died?".

    `slot` is what makes a keyed job single: `q:<kind>:<key>` while queued, `r:<kind>:<key>` while running, NULL
    otherwise. Being unique, it allows one waiting and one running job of a key, and no more.
    """
    payload = sa.Text().with_variant(sa.Text(_MEDIUM), "mysql", "mariadb")
    return sa.Table(
        name,
        metadata,
        sa.Column("id", _exact(96), primary_key=True),
        sa.Column("kind", _exact(KIND_LENGTH), nullable=False),
        sa.Column("subject", _exact(SUBJECT_LENGTH)),
        sa.Column("unique_key", _exact(KEY_LENGTH)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("payload", payload, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("run_at", sa.BigInteger, nullable=False),
        sa.Column("deadline_at", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("request_id", sa.String(64)),
        sa.Column("global_request_id", sa.String(64)),
        sa.Column("project_id", sa.String(255)),
        sa.Column("user_id", sa.String(255)),
        sa.Column("slot", _exact(KIND_LENGTH + KEY_LENGTH + 3)),
        sa.Index(f"ix_{name}_due_at", "due_at"),
        sa.Index(f"ix_{name}_subject", "subject", "created_at"),
        sa.Index(f"ix_{name}_finished_at", "finished_at"),
        sa.Index(f"uq_{name}_slot", "slot", unique=True),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


class JobRow(msgspec.Struct, frozen=True):
    """One row, its fields in the order of the table's columns. `payload` is JSON text."""

    id: str
    kind: str
    subject: str | None
    unique_key: str | None
    state: str
    payload: str
    created_at: int
    run_at: int
    deadline_at: int | None
    started_at: int | None
    finished_at: int | None
    attempts: int
    max_attempts: int
    lease_owner: str | None
    due_at: int | None
    last_error: str | None
    request_id: str | None
    global_request_id: str | None
    project_id: str | None
    user_id: str | None
    slot: str | None


def new_id(now: int) -> str:
    """A version 7 UUID (RFC 9562, section 5.7): ids made later sort later, so the primary key grows at its end."""
    milliseconds, rest = divmod(now, 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (rest * 4096 // 1000) << 64 | 2 << 62
    return str(uuid.UUID(int=value | uuid.uuid4().int & (1 << 62) - 1))
