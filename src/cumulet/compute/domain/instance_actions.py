"""What was done to a server: one action a request, events below it, kept after the server is gone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.tables import instance_actions, instance_events
from cumulet.kernel.errors import BadRequest, NotFound

_MESSAGE = 255


def start(
    connection: Connection, server_id: str, action: str, *, request_id: str, user_id: Any, project_id: Any, now: int
) -> int:
    """Enter an action in the transaction of the change it stands for; returns its id."""
    row = {
        "server_id": server_id,
        "action": action,
        "request_id": request_id,
        "user_id": user_id,
        "project_id": project_id,
        "start_time": now,
        "updated_at": now,
    }
    made = connection.execute(sa.insert(instance_actions).values(**row)).inserted_primary_key
    assert made is not None
    return int(made[0])


def event(
    connection: Connection,
    action_id: int | None,
    name: str,
    *,
    started: int,
    now: int,
    host: str | None,
    failure: str | None = None,
) -> None:
    """Enter a finished event, and its failure as the action's message."""
    if action_id is None:
        return
    row = {
        "action_id": action_id,
        "event": name,
        "start_time": started,
        "finish_time": now,
        "result": "Error" if failure else "Success",
        "host": host,
        "details": failure,
    }
    connection.execute(sa.insert(instance_events).values(**row))
    values: dict[str, Any] = {"updated_at": now, "finish_time": now}
    if failure:
        values["message"] = "Error"
    connection.execute(sa.update(instance_actions).where(instance_actions.c.id == action_id).values(**values))


def find(
    connection: Connection,
    server_id: str,
    *,
    limit: int | None = None,
    marker: str | None = None,
    since: int | None = None,
    before: int | None = None,
) -> list[Row[Any]]:
    """Newest first; a page and one more when limited. Raises BadRequest for an unknown marker."""
    table = instance_actions
    query = sa.select(table).where(table.c.server_id == server_id)
    if since is not None:
        query = query.where(table.c.updated_at >= since)
    if before is not None:
        query = query.where(table.c.updated_at <= before)
    if marker is not None:
        known = connection.execute(query.where(table.c.request_id == marker)).first()
        if known is None:
            raise BadRequest(f"Marker {marker} could not be found.")
        query = query.where(
            sa.or_(
                table.c.start_time < known.start_time,
                sa.and_(table.c.start_time == known.start_time, table.c.id < known.id),
            )
        )
    query = query.order_by(table.c.start_time.desc(), table.c.id.desc())
    return list(connection.execute(query if limit is None else query.limit(limit + 1)))


def load(connection: Connection, server_id: str, request_id: str) -> Row[Any]:
    """Raises the 404."""
    table = instance_actions
    query = sa.select(table).where(table.c.server_id == server_id, table.c.request_id == request_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"Action for request_id {request_id} on instance {server_id} not found")
    return row


def events_of(connection: Connection, action_id: int) -> list[Row[Any]]:
    table = instance_events
    query = sa.select(table).where(table.c.action_id == action_id)
    return list(connection.execute(query.order_by(table.c.start_time.desc(), table.c.id.desc())))
