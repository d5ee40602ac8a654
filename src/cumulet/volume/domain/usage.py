"""What a project uses, counted from live rows. A noun with a quota has its counter here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.volume.service import Volume
from cumulet.volume.tables import backups, groups, snapshots, volume_types, volumes

Count = Callable[[Volume, Connection, str], dict[str, int]]


def _by_type(
    connection: Connection, table: sa.Table, size: sa.ColumnElement[Any], project_id: str
) -> list[tuple[Any, ...]]:
    """(type's name, how many, their size)"""
    query = (
        sa.select(volume_types.c.name, sa.func.count(), sa.func.coalesce(sa.func.sum(size), 0))
        .select_from(table.outerjoin(volume_types, volume_types.c.id == table.c.volume_type_id))
        .where(table.c.project_id == project_id, table.c.consumes_quota)
        .group_by(volume_types.c.name)
    )
    return [(name, int(number), int(total)) for name, number, total in connection.execute(query)]


def _volumes(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    return _counted(
        "volumes", _by_type(connection, volumes, volumes.c.size + volumes.c.growing_gb, project_id), sized=True
    )


def _snapshots(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    rows = _by_type(connection, snapshots, snapshots.c.volume_size, project_id)
    return _counted("snapshots", rows, sized=not volume.conf.no_snapshot_gb_quota)


def _counted(resource: str, rows: list[tuple[Any, ...]], *, sized: bool) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, number, size in rows:
        for suffix in ("", f"_{name}") if name else ("",):
            found[resource + suffix] += number
            if sized:
                found["gigabytes" + suffix] += size
    return dict(found)


def _backups(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(backups.c.size), 0))
    number, size = connection.execute(query.where(backups.c.project_id == project_id)).one()
    return {"backups": int(number), "backup_gigabytes": int(size)}


def _groups(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    query = sa.select(sa.func.count()).select_from(groups).where(groups.c.project_id == project_id)
    return {"groups": int(connection.execute(query).scalar_one())}


COUNTERS: Final[list[tuple[tuple[str, ...], Count]]] = [
    (("volumes", "gigabytes"), _volumes),
    (("snapshots", "gigabytes"), _snapshots),
    (("backups", "backup_gigabytes"), _backups),
    (("groups",), _groups),
]
"""(resources or their prefixes, what counts them)"""


def of(volume: Volume, connection: Connection, project_id: str, resources: set[str] | None = None) -> dict[str, int]:
    """resource -> how much of it is used; only what is asked for is counted."""
    found: Counter[str] = Counter()
    for names, count in COUNTERS:
        if resources is None or _asked(names, resources):
            found.update(count(volume, connection, project_id))
    return dict(found)


def _asked(names: tuple[str, ...], resources: set[str]) -> bool:
    return any(each == name or each.startswith(f"{name}_") for each in resources for name in names)


def projects(connection: Connection) -> list[str]:
    """Every project that has a volume."""
    query = sa.select(volumes.c.project_id).distinct().order_by(volumes.c.project_id)
    return list(connection.execute(query).scalars())
