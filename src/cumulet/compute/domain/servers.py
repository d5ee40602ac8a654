"""Servers: their rows, who sees them, and the changes that need no host."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import instance_actions, quotas
from cumulet.compute.domain.counters import next_number
from cumulet.compute.service import Compute
from cumulet.compute.tables import block_devices, jobs, server_group_members, server_tags, servers
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.kernel.prepared import Prepared

BOOT, DELETE, ACT, CLEAN = "server.boot", "server.delete", "server.act", "server.clean"
SOFT_DELETE = "server.soft_delete"
"""The kinds of job of a server."""
BOOT_DEADLINE_S = 300.0
DEADLINE_S = 120.0
DELETE_DEADLINE_S = 600.0


_NOT_LISTED = frozenset(
    (
        *("deleted", "deleted_at", "flavor_id", "vcpus", "memory_mb", "old_flavor", "new_flavor", "key_pairs"),
        *("system_metadata", "personality", "locked_by", "admin_password_encrypted", "server_group_id", "generation"),
    )
)
_LISTED = [column.name for column in servers.columns if column.name not in _NOT_LISTED]
# The columns are the table's, which types cannot follow.
Listed: Any = namedtuple("Listed", _LISTED)  # type: ignore[misc]
"""A server as detailed lists have it."""
Brief: Any = namedtuple("Brief", ["id", "name"])
"""A server as plain lists have it."""


def encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def decode(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


_ANY = sa.select(servers).where(servers.c.id == sa.bindparam("sought"))
_LIVE = _ANY.where(sa.not_(servers.c.deleted))
_OF_PROJECT = _LIVE.where(servers.c.project_id == sa.bindparam("project"))
_READ = {query: Prepared(query) for query in (_ANY, _LIVE, _OF_PROJECT)}
_LOCKED = {query: Prepared(query.with_for_update()) for query in (_ANY, _LIVE, _OF_PROJECT)}


def load(connection: Connection, server_id: str, ctx: Context | None = None, *, lock: bool = False) -> Row[Any]:
    """Raises the 404, also for a deleted server and for another project's."""
    query, sought = _LIVE, {"sought": server_id}
    if ctx is not None and not ctx.is_admin:
        query, sought = _OF_PROJECT, {"sought": server_id, "project": str(ctx.project_id)}
    row: Row[Any] | None = (_LOCKED if lock else _READ)[query].first(connection, sought)
    if row is None:
        raise NotFound(f"Instance {server_id} could not be found.")
    return row


def load_any(connection: Connection, server_id: str, *, lock: bool = False) -> Row[Any] | None:
    """For jobs: also a deleted one, None when there never was one."""
    row: Row[Any] | None = (_LOCKED if lock else _READ)[_ANY].first(connection, {"sought": server_id})
    return row


def find(
    connection: Connection,
    conditions: Sequence[sa.ColumnElement[bool]],
    sort: Sequence[tuple[str, bool]],
    limit: int,
    marker: str | None,
    *,
    brief: bool = False,
) -> list[Any]:
    """One query: a page and one row more, each with the columns that lists show; `brief` with only id and name.

    `sort` is (column, descending). Raises BadRequest for an unknown marker.
    """
    keys = [(servers.c[name], descending) for name, descending in sort]
    kind = Brief if brief else Listed
    query = sa.select(*(servers.c[name] for name in kind._fields)).where(*conditions)
    if marker is not None:
        at = connection.execute(sa.select(servers).where(servers.c.id == marker)).first()
        if at is None:
            raise BadRequest(f"marker [{marker}] not found")
        query = query.where(_after(keys, at))
    order = [column.desc() if descending else column.asc() for column, descending in keys]
    # A plain tuple with names answers for its columns ten times as fast as a Row, and a list asks forty of each row.
    return list(map(kind._make, connection.execute(query.order_by(*order).limit(limit + 1))))


def _after(keys: list[tuple[sa.Column[Any], bool]], at: Row[Any]) -> sa.ColumnElement[bool]:
    """Rows that come behind `at` in the order of `keys`; an absent value comes first."""
    choices: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for column, descending in keys:
        value = getattr(at, column.name)
        if value is None:
            beyond: sa.ColumnElement[bool] = sa.false() if descending else column.is_not(None)
            equal: sa.ColumnElement[bool] = column.is_(None)
        else:
            beyond = sa.or_(column < value, column.is_(None)) if descending else column > value
            equal = column == value
        choices.append(sa.and_(*same, beyond))
        same.append(equal)
    return sa.or_(*choices)


def create(
    compute: Compute,
    ctx: Context,
    rows: list[dict[str, Any]],
    payload: Mapping[str, Any],
    devices: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Enter servers, what they count against the quota, their actions and their boot jobs, all or nothing.

    `devices` are the columns of the disks each of them has beside a local root disk. Raises Forbidden when the quota
    has no room.
    """
    now = compute.now()
    wanted = {
        "instances": len(rows),
        "cores": sum(row["vcpus"] for row in rows),
        "ram": sum(row["memory_mb"] for row in rows),
    }
    with compute.db.write() as connection:
        # Counting and adding is one step: whoever takes the next number waits until this transaction has ended.
        number = next_number(connection, "servers", len(rows))
        quotas.require(compute, connection, str(ctx.project_id), str(ctx.user_id), wanted)
        group_id = rows[0]["server_group_id"]
        if group_id is not None:
            _require_room_in_group(compute, connection, ctx, group_id, len(rows))
        for index, row in enumerate(rows):
            row |= {"number": number + index, "created_at": now, "updated_at": now}
        connection.execute(sa.insert(servers), rows)
        if devices:
            disks = [
                {"id": uuid_id(), "server_id": row["id"], "created_at": now + index, **device}
                for row in rows
                for index, device in enumerate(devices)
            ]
            connection.execute(sa.insert(block_devices), disks)
        tags = [{"server_id": row["id"], "tag": tag} for row in rows for tag in decode(row["tags"])]
        if tags:
            connection.execute(sa.insert(server_tags), tags)
        if group_id is not None:
            members = [{"server_id": row["id"], "group_id": group_id} for row in rows]
            connection.execute(sa.insert(server_group_members), members)
        for row in rows:
            action_id = begin(compute, connection, ctx, row["id"], "create")
            work = {**payload, "action_id": action_id}
            enqueue(connection, jobs, BOOT, work, subject=row["id"], key=row["id"], deadline_s=BOOT_DEADLINE_S, ctx=ctx)
    compute.wake()


def _require_room_in_group(compute: Compute, connection: Connection, ctx: Context, group_id: str, more: int) -> None:
    limit = quotas.limits(compute, connection, str(ctx.project_id))["server_group_members"]
    mine = server_group_members.c.group_id == group_id
    count = connection.execute(sa.select(sa.func.count()).select_from(server_group_members).where(mine)).scalar_one()
    if 0 <= limit < count + more:
        raise Forbidden("Quota exceeded, too many servers in group")


def begin(compute: Compute, connection: Connection, ctx: Context, server_id: str, action: str) -> int:
    """Enter that `ctx` asked for an action."""
    return instance_actions.start(
        connection,
        server_id,
        action,
        request_id=ctx.request_id,
        user_id=ctx.user_id,
        project_id=ctx.project_id,
        now=compute.now(),
    )


def change(connection: Connection, server_id: str, now: int, **values: Any) -> None:
    """Set columns of a server; counts as an update of it."""
    mine = servers.c.id == server_id
    connection.execute(sa.update(servers).where(mine).values(**values, updated_at=now))


def set_tags(compute: Compute, connection: Connection, server_id: str, tags: list[str]) -> None:
    """Replace the tags, in the row and where filters look for them."""
    connection.execute(sa.delete(server_tags).where(server_tags.c.server_id == server_id))
    if tags:
        connection.execute(sa.insert(server_tags), [{"server_id": server_id, "tag": tag} for tag in tags])
    change(connection, server_id, compute.now(), tags=encode(tags))


def request_delete(compute: Compute, ctx: Context, server_id: str, action: str = "delete") -> None:
    """Mark a server as being deleted and have it done. Asking again changes nothing.

    Where deleted servers can be restored for a while (`reclaim_instance_interval`), `delete` only switches it off.
    """
    with compute.db.write() as connection:
        row = load(connection, server_id, lock=True)
        if row.task_state == "deleting":
            return
        soft = action == "delete" and compute.conf.reclaim_instance_interval > 0 and _can_wait(row)
        if soft and row.task_state == "soft-deleting":
            return
        action_id = begin(compute, connection, ctx, server_id, action)
        generation = row.generation + 1
        state = "soft-deleting" if soft else "deleting"
        change(connection, server_id, compute.now(), task_state=state, generation=generation, progress=0)
        payload = {"action_id": action_id, "generation": generation}
        kind, key = (SOFT_DELETE, None) if soft else (DELETE, server_id)
        enqueue(connection, jobs, kind, payload, subject=server_id, key=key, deadline_s=DELETE_DEADLINE_S, ctx=ctx)
    compute.wake()


def _can_wait(row: Row[Any]) -> bool:
    """Whether there is anything to restore: it was active once, and is no remainder of a failure."""
    return row.launched_at is not None and row.host is not None and row.vm_state not in ("error", "soft-delete")


def hosts_of_group(connection: Connection, group_id: str, but: str) -> list[str]:
    """The hosts of a group's live servers, one entry a server, without that of server `but`."""
    query = (
        sa.select(servers.c.host)
        .join(server_group_members, server_group_members.c.server_id == servers.c.id)
        .where(
            server_group_members.c.group_id == group_id,
            servers.c.id != but,
            servers.c.host.is_not(None),
            sa.not_(servers.c.deleted),
        )
    )
    return list(connection.execute(query).scalars())
