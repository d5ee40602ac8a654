"""Snapshots of all volumes of a group (Block Storage API, Group snapshots)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import groups, listing, snapshots
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import group_snapshots, jobs
from cumulet.volume.tables import groups as group_table
from cumulet.volume.tables import snapshots as snapshot_table

CREATE: Final = "group_snapshot.create"
DELETE: Final = "group_snapshot.delete"
STATES: Final = ("creating", "available", "deleting", "deleted", "error", "error_deleting", "updating")
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: group_snapshots.c[key] for key in ("id", "name", "status", "created_at", "updated_at", "group_id")
}
FILTERS: Final = frozenset(("id", "name", "status", "group_id", "group_type_id", "project_id", "user_id"))


def load_any(connection: Connection, snapshot_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = sa.select(group_snapshots).where(group_snapshots.c.id == snapshot_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def load(connection: Connection, snapshot_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, snapshot_id, lock=lock)
    if row is None:
        raise not_found("GroupSnapshot", snapshot_id)
    return row


def change(connection: Connection, snapshot_id: str, now: int, **values: Any) -> None:
    changed = sa.update(group_snapshots).where(group_snapshots.c.id == snapshot_id)
    connection.execute(changed.values(updated_at=now, **values))


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Condition]:
    found: list[Condition] = [] if everyone else [group_snapshots.c.project_id == ctx.project_id]
    if wanted.nothing:
        return [sa.false()]
    for key, value in wanted.filters.items():
        name = key.removesuffix("~")
        if name in FILTERS:
            column = group_snapshots.c[name]
            found.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    return found


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, group_snapshots, where, wanted, sorts=SORTS, unknown_marker=partial(not_found, "GroupSnapshot")
    )


def members(connection: Connection, snapshot_id: str, *, lock: bool = False) -> list[Row[Any]]:
    query = sa.select(snapshot_table).where(snapshot_table.c.group_snapshot_id == snapshot_id)
    return list(connection.execute(query.with_for_update() if lock else query))


def create(volume: Volume, ctx: Context, group_id: str, name: str | None, description: str | None) -> Row[Any]:
    """The group snapshot and those of all its volumes, `creating`. Raises BadRequest, OverLimit."""
    with volume.db.write() as connection:
        group = groups.load(connection, group_id, lock=True)
        if group.status != "available":
            raise BadRequest(f"Invalid group: Group status must be available, but current status is: {group.status}.")
        inside = groups.members(connection, group_id, lock=True)
        if not inside:
            raise BadRequest(f"Invalid group: Source group {group_id} is empty. No group snapshot will be created.")
        for one in inside:
            if one.status not in ("available", "in-use"):
                raise BadRequest(f"Invalid volume: Volume {one.id} is in an invalid state: {one.status}.")
        row = {
            "id": uuid_id(),
            "group_id": group_id,
            "group_type_id": group.group_type_id,
            "project_id": group.project_id,
            "user_id": ctx.user_id,
            "name": name,
            "description": description,
            "status": "creating",
            "created_at": volume.now(),
        }
        connection.execute(sa.insert(group_snapshots).values(**row))
        for one in inside:
            values = {"name": name, "description": description, "group_snapshot_id": row["id"]}
            made = snapshots.enter(volume, connection, ctx, one, values)
            enqueue(connection, jobs, snapshots.CREATE, {}, subject=made.id, deadline_s=groups.DEADLINE_S, ctx=ctx)
        enqueue(connection, jobs, CREATE, {}, subject=str(row["id"]), deadline_s=groups.DEADLINE_S, ctx=ctx)
        found = load(connection, str(row["id"]))
    volume.wake()
    return found


def delete(volume: Volume, ctx: Context, snapshot_id: str) -> None:
    """It and the snapshots in it, `deleting`. Raises BadRequest while a group is made of it."""
    with volume.db.write() as connection:
        row = load(connection, snapshot_id, lock=True)
        if row.status not in ("available", "error", "error_deleting"):
            raise BadRequest(
                f"Invalid group snapshot: GroupSnapshot status must be available or error, and no Group can be "
                f"currently using it as source for its creation, but current status is: {row.status}."
            )
        busy = sa.and_(group_table.c.group_snapshot_id == snapshot_id, group_table.c.status == "creating")
        if connection.execute(sa.select(group_table.c.id).where(busy)).first() is not None:
            raise BadRequest("Invalid group snapshot: a group is being made of it.")
        for one in members(connection, snapshot_id, lock=True):
            snapshots.begin_delete(volume, connection, ctx, one, force=True)
        change(connection, snapshot_id, volume.now(), status="deleting")
        enqueue(connection, jobs, DELETE, {}, subject=snapshot_id, deadline_s=groups.DEADLINE_S, ctx=ctx)
    volume.wake()


def reset_status(volume: Volume, snapshot_id: str, status: str) -> None:
    with volume.db.write() as connection:
        load(connection, snapshot_id, lock=True)
        change(connection, snapshot_id, volume.now(), status=status)
