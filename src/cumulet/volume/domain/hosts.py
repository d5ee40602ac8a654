"""What projects have on a back end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.volume.service import Volume
from cumulet.volume.tables import snapshots, volumes


@dataclass
class Use:
    project: str
    volumes: int = 0
    volume_gb: int = 0
    snapshots: int = 0
    snapshot_gb: int = 0


def usage(connection: Connection, host: str) -> list[Use]:
    """The total first, then each project that has something there; two queries."""
    here = sa.or_(volumes.c.host == host, sa.func.substr(volumes.c.host, 1, len(host) + 1) == f"{host}#")
    found: dict[str, Use] = {}
    for project, number, size in connection.execute(_summed(volumes.c.project_id, volumes.c.size).where(here)):
        each = found.setdefault(project, Use(project))
        each.volumes, each.volume_gb = int(number), int(size or 0)
    own = _summed(snapshots.c.project_id, snapshots.c.volume_size)
    own = own.join(volumes, volumes.c.id == snapshots.c.volume_id).where(here)
    for project, number, size in connection.execute(own):
        each = found.setdefault(project, Use(project))
        each.snapshots, each.snapshot_gb = int(number), int(size or 0)
    projects = sorted(found.values(), key=lambda each: each.project)
    total = Use("(total)")
    for each in projects:
        total.volumes += each.volumes
        total.volume_gb += each.volume_gb
        total.snapshots += each.snapshots
        total.snapshot_gb += each.snapshot_gb
    return [total, *projects]


def _summed(project: sa.Column[Any], size: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(project, sa.func.count(), sa.func.sum(size)).select_from(project.table).group_by(project)


def rename(volume: Volume, old: str, new: str) -> int:
    """What was on a back end, or on one of its pools, is on another name of it; how many volumes."""
    rest = sa.func.substr(volumes.c.host, len(old) + 1)
    here = sa.or_(volumes.c.host == old, sa.func.substr(volumes.c.host, 1, len(old) + 1) == f"{old}#")
    renamed = sa.literal(new).concat(rest)
    with volume.db.write() as connection:
        return int(connection.execute(sa.update(volumes).where(here).values(host=renamed)).rowcount)
