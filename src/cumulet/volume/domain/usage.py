"""What a project uses, counted from live rows. A noun with a quota has its counter here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.volume.service import Volume
from cumulet.volume.tables import backups, groups, snapshots, volume_types, volumes

Count = Callable[[Volume, Connection, str], dict[str, int]]


def _by_type(table: sa.Table, size: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """(type's name, how many, their size) of the project `owner`"""
    return (
        sa.select(volume_types.c.name, sa.func.count(), sa.func.coalesce(sa.func.sum(size), 0))
        .select_from(table.outerjoin(volume_types, volume_types.c.id == table.c.volume_type_id))
        .where(table.c.project_id == sa.bindparam("owner"), table.c.consumes_quota)
        .group_by(volume_types.c.name)
    )


_VOLUMES: Final = _by_type(volumes, volumes.c.size + volumes.c.growing_gb)
_SNAPSHOTS: Final = _by_type(snapshots, snapshots.c.volume_size)
_BACKUPS: Final = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(backups.c.size), 0)).where(
    backups.c.project_id == sa.bindparam("owner")
)


def _volumes(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    return _counted("volumes", connection.execute(_VOLUMES, {"owner": project_id}), sized=True)


def _snapshots(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    rows = connection.execute(_SNAPSHOTS, {"owner": project_id})
    return _counted("snapshots", rows, sized=not volume.conf.no_snapshot_gb_quota)


def _counted(resource: str, rows: Iterable[Sequence[Any]], *, sized: bool) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, number, total in rows:
        size = int(total)  # PostgreSQL and MariaDB sum up to decimals
        for suffix in ("", f"_{name}") if name else ("",):
            found[resource + suffix] += number
            if sized:
                found["gigabytes" + suffix] += size
    return dict(found)


def _backups(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    number, size = connection.execute(_BACKUPS, {"owner": project_id}).one()
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
