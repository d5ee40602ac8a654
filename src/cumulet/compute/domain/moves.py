"""Moves of servers between hosts and flavors, as `migrations` in the API: one row each, kept after its end."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain.servers import decode
from cumulet.compute.tables import jobs, migrations, servers
from cumulet.kernel.context import Context
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue

OVER: Final = ("confirmed", "reverted", "error", "failed", "completed", "cancelled", "done")
"""Statuses after which a move holds nothing any more."""
LIVE: Final = "live-migration"
HEAL: Final = "server.heal_move"
"""The kind of the job that ends a move which nobody works on any more."""
_HEAL_DEADLINE_S: Final = 3600.0
ABORTABLE: Final = ("queued", "preparing", "running")


def start(connection: Connection, row: Row[Any], kind: str, status: str, ctx: Context, now: int, **values: Any) -> str:
    """Enter the move of a server; returns its uuid, which also holds the source's allocation in Placement."""
    uuid = uuid_id()
    fields = {
        "uuid": uuid,
        "server_id": row.id,
        "migration_type": kind,
        "status": status,
        "source_compute": row.host,
        "source_node": row.node,
        "old_flavor_id": row.flavor_id,
        "new_flavor_id": row.flavor_id,
        "progress": "{}",
        "hidden": False,
        "user_id": ctx.user_id,
        "project_id": ctx.project_id,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(sa.insert(migrations).values(**(fields | values)))
    return uuid


def change(connection: Connection, uuid: str, now: int, **values: Any) -> None:
    connection.execute(sa.update(migrations).where(migrations.c.uuid == uuid).values(**values, updated_at=now))


def load(connection: Connection, uuid: str) -> Row[Any]:
    return connection.execute(sa.select(migrations).where(migrations.c.uuid == uuid)).one()


def open_of(connection: Connection, server_id: str) -> list[Row[Any]]:
    """Those that still hold something, newest first."""
    query = sa.select(migrations).where(migrations.c.server_id == server_id, migrations.c.status.not_in(OVER))
    return list(connection.execute(query.order_by(migrations.c.id.desc())))


def enqueue_heal(connection: Connection, move: Row[Any]) -> None:
    payload = {"migration": move.uuid}
    enqueue(connection, jobs, HEAL, payload, subject=move.server_id, key=move.uuid, deadline_s=_HEAL_DEADLINE_S)


def forgotten(connection: Connection, before: int, limit: int) -> list[Row[Any]]:
    """Moves under way since before then whose server neither waits for anything nor for its resize's confirmation."""
    query = (
        sa.select(migrations)
        .join(servers, servers.c.id == migrations.c.server_id)
        .where(
            migrations.c.status.not_in(OVER),
            migrations.c.updated_at < before,
            sa.not_(servers.c.deleted),
            servers.c.task_state.is_(None),
            servers.c.vm_state != "resized",
            servers.c.updated_at < before,
        )
    )
    return list(connection.execute(query.order_by(migrations.c.id).limit(limit)))


def of_server(connection: Connection, server_id: str, number: int) -> Row[Any] | None:
    """One by its number in the API."""
    query = sa.select(migrations).where(migrations.c.server_id == server_id, migrations.c.id == number)
    return connection.execute(query).first()


def find(
    connection: Connection,
    conditions: list[sa.ColumnElement[bool]],
    limit: int | None = None,
    marker: Row[Any] | None = None,
) -> list[Row[Any]]:
    """One query, newest first as the original's pages; all in order of entry without a limit."""
    query = sa.select(migrations).where(sa.not_(migrations.c.hidden), *conditions)
    if limit is None:
        return list(connection.execute(query.order_by(migrations.c.id)))
    if marker is not None:
        query = query.where(
            sa.or_(
                migrations.c.created_at < marker.created_at,
                sa.and_(migrations.c.created_at == marker.created_at, migrations.c.id < marker.id),
            )
        )
    order = (migrations.c.created_at.desc(), migrations.c.id.desc())
    return list(connection.execute(query.order_by(*order).limit(limit + 1)))


def by_uuid(connection: Connection, uuid: str) -> Row[Any] | None:
    return connection.execute(sa.select(migrations).where(migrations.c.uuid == uuid)).first()


def is_aborted(move: Row[Any]) -> bool:
    """Whether somebody asked for the end of a live migration."""
    return bool(decode(move.progress).get("aborted"))
