"""Usage of projects: hours times size of the servers that lived in a period."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.tables import servers
from cumulet.kernel.errors import BadRequest

_HOUR: Final = 3_600_000_000
_COLUMNS: Final = (
    "id",
    "project_id",
    "name",
    "flavor",
    "vcpus",
    "memory_mb",
    "vm_state",
    "launched_at",
    "terminated_at",
)


class Page(NamedTuple):
    """At most `limit` servers, those behind the server `marker`."""

    limit: int
    marker: str | None


def of_projects(
    connection: Connection, start: int, stop: int, project_id: str | None, page: Page | None = None
) -> dict[str, list[Row[Any]]]:
    """The servers of each project that lived between `start` and `stop` (microseconds), in the order of their projects
    and ids. Raises BadRequest for an unknown marker."""
    query = sa.select(*(servers.c[name] for name in _COLUMNS)).where(
        servers.c.launched_at.is_not(None),
        servers.c.launched_at < stop,
        sa.or_(servers.c.terminated_at.is_(None), servers.c.terminated_at > start),
    )
    if project_id is not None:
        query = query.where(servers.c.project_id == project_id)
    if page is not None:
        if page.marker is not None:
            place = _place(connection, page.marker, project_id)
            query = query.where(sa.tuple_(servers.c.project_id, servers.c.id) > sa.tuple_(*place))
        query = query.limit(page.limit)
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(servers.c.project_id, servers.c.id)):
        found.setdefault(row.project_id, []).append(row)
    return found


def _place(connection: Connection, marker: str, project_id: str | None) -> tuple[str, str]:
    query = sa.select(servers.c.project_id, servers.c.id).where(servers.c.id == marker)
    if project_id is not None:
        query = query.where(servers.c.project_id == project_id)
    row = connection.execute(query).first()
    if row is None:
        raise BadRequest(f"Marker {marker} could not be found.")
    return row.project_id, row.id


def hours(row: Row[Any], start: int, stop: int) -> float:
    begin, end = max(row.launched_at, start), min(row.terminated_at or stop, stop)
    return float(max(0, end - begin)) / _HOUR


def disk_gb(row: Row[Any]) -> int:
    flavor = msgspec.json.decode(row.flavor)
    return int(flavor.get("disk", 0)) + int(flavor.get("ephemeral", 0))
