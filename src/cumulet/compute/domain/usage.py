"""Usage of projects: hours times size of the servers that lived in a period."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.tables import servers

_HOUR: Final = 3_600_000_000


def of_projects(connection: Connection, start: int, stop: int, project_id: str | None) -> dict[str, list[Row[Any]]]:
    """The servers of each project that lived between `start` and `stop` (microseconds), one query."""
    query = sa.select(servers).where(
        servers.c.launched_at.is_not(None),
        servers.c.launched_at < stop,
        sa.or_(servers.c.terminated_at.is_(None), servers.c.terminated_at > start),
    )
    if project_id is not None:
        query = query.where(servers.c.project_id == project_id)
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(servers.c.project_id, servers.c.created_at, servers.c.id)):
        found.setdefault(row.project_id, []).append(row)
    return found


def hours(row: Row[Any], start: int, stop: int) -> float:
    begin, end = max(row.launched_at, start), min(row.terminated_at or stop, stop)
    return float(max(0, end - begin)) / _HOUR


def disk_gb(row: Row[Any]) -> int:
    flavor = msgspec.json.decode(row.flavor)
    return int(flavor.get("disk", 0)) + int(flavor.get("ephemeral", 0))
