"""Quotas: limits of classes and projects. What is used is counted from live rows, so it cannot drift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.upsert import insert_if_absent
from cumulet.volume.domain import usage
from cumulet.volume.errors import OverLimit
from cumulet.volume.service import Volume
from cumulet.volume.tables import quota_classes, quota_locks, quotas, volume_types

PER_VOLUME: Final = "per_volume_gigabytes"
OPTIONS: Final = {
    "volumes": "quota_volumes",
    PER_VOLUME: "per_volume_size_limit",
    "snapshots": "quota_snapshots",
    "gigabytes": "quota_gigabytes",
    "backups": "quota_backups",
    "backup_gigabytes": "quota_backup_gigabytes",
    "groups": "quota_groups",
}
"""resource -> its option"""
BY_TYPE: Final = ("volumes", "gigabytes", "snapshots")
DEFAULT_CLASS: Final = "default"
_OF_CLASS: Final = sa.select(quota_classes.c.resource, quota_classes.c.limit).where(
    quota_classes.c.class_name == sa.bindparam("owner")
)
_OF_PROJECT: Final = sa.select(quotas.c.resource, quotas.c.limit).where(quotas.c.project_id == sa.bindparam("owner"))
_LOCK: Final = (
    sa.select(quota_locks.c.project_id).where(quota_locks.c.project_id == sa.bindparam("owner")).with_for_update()
)
_NAMES: Final = sa.select(volume_types.c.name).order_by(volume_types.c.created_at.desc(), volume_types.c.id.desc())


def resources(connection: Connection) -> list[str]:
    """All that can be limited, in the order it is shown: also volumes, gigabytes and snapshots of each type."""
    fixed = list(OPTIONS)
    for name in connection.execute(_NAMES).scalars():
        fixed += [f"{resource}_{name}" for resource in BY_TYPE]
    return fixed


def class_limits(volume: Volume, connection: Connection, name: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a class: the options, with what was set for it. Types are unlimited until somebody limits them."""
    limits = dict.fromkeys(resources(connection), -1)
    limits |= {resource: int(volume.conf[option]) for resource, option in OPTIONS.items()}
    for wanted in {DEFAULT_CLASS, name}:
        limits |= _set_of(connection, _OF_CLASS, wanted, limits)
    return limits


def limits(volume: Volume, connection: Connection, project_id: str) -> dict[str, int]:
    """A project's limits."""
    found = class_limits(volume, connection)
    return found | _set_of(connection, _OF_PROJECT, project_id, found)


def _set_of(connection: Connection, query: sa.Select[Any], owner: str, known: dict[str, int]) -> dict[str, int]:
    rows = connection.execute(query, {"owner": owner})
    return {resource: limit for resource, limit in rows if resource in known}


def require(
    volume: Volume, connection: Connection, project_id: str, wanted: dict[str, int], *, size: int | None = None
) -> None:
    """Take what is wanted, or raise OverLimit. The caller's transaction adds the rows: nobody counts in between.

    wanted: resource -> how many more, `volumes_<type>` among them; none of it is looked at where it is unlimited.
    size: of the one volume that is wanted, in GiB, which is bounded too.
    """
    if connection.execute(_LOCK, {"owner": project_id}).first() is None:
        insert_if_absent(connection, quota_locks, {"project_id": project_id})
        connection.execute(_LOCK, {"owner": project_id}).first()
    allowed = _limits_of(volume, connection, project_id, [*wanted, PER_VOLUME])
    if size is not None:
        _bounded(size, allowed[PER_VOLUME])
    bounded = {name: more for name, more in wanted.items() if allowed[name] >= 0 and more > 0}
    if not bounded:
        return
    used = usage.of(volume, connection, project_id, set(bounded))
    for name, more in bounded.items():
        if used.get(name, 0) + more > allowed[name]:
            raise over(name, more, used.get(name, 0), allowed[name])


def _limits_of(volume: Volume, connection: Connection, project_id: str, wanted: Iterable[str]) -> dict[str, int]:
    """As `limits`, without asking for all types."""
    found = {name: int(volume.conf[OPTIONS[name]]) if name in OPTIONS else -1 for name in wanted}
    found |= _set_of(connection, _OF_CLASS, DEFAULT_CLASS, found)
    return found | _set_of(connection, _OF_PROJECT, project_id, found)


def over(name: str, wanted: int, used: int, limit: int) -> OverLimit:
    """The sentence that says what is used up."""
    noun = name.partition("_")[0] if not name.startswith("backup_") else "backup_gigabytes"
    if noun == "gigabytes":
        return OverLimit(
            f"Requested volume or snapshot exceeds allowed {name} quota. Requested {wanted}G, quota is {limit}G and "
            f"{used}G has been consumed."
        )
    if noun == "backup_gigabytes":
        return OverLimit(
            f"Requested backup exceeds allowed Backup gigabytes quota. Requested {wanted}G, quota is {limit}G and "
            f"{used}G has been consumed."
        )
    if noun == "volumes":
        return OverLimit(f"Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'.")
    return OverLimit(f"Maximum number of {noun} allowed ({limit}) exceeded")


def size_limit(volume: Volume, connection: Connection, project_id: str, size: int) -> None:
    """Raises OverLimit for a volume larger than one may be."""
    _bounded(size, _limits_of(volume, connection, project_id, [PER_VOLUME])[PER_VOLUME])


def _bounded(size: int, limit: int) -> None:
    if 0 <= limit < size:
        raise OverLimit(f"Requested volume size {size} is larger than maximum allowed limit {limit}.")


def set_limits(volume: Volume, project_id: str, changes: dict[str, int]) -> dict[str, int]:
    with volume.db.write() as connection:
        for resource, limit in changes.items():
            same = sa.and_(quotas.c.project_id == project_id, quotas.c.resource == resource)
            connection.execute(sa.delete(quotas).where(same))
            connection.execute(sa.insert(quotas).values(project_id=project_id, resource=resource, limit=limit))
        return limits(volume, connection, project_id)


def forget(volume: Volume, project_id: str) -> None:
    """Back to the defaults."""
    with volume.db.write() as connection:
        connection.execute(sa.delete(quotas).where(quotas.c.project_id == project_id))


def set_class(volume: Volume, name: str, changes: dict[str, int]) -> dict[str, int]:
    with volume.db.write() as connection:
        for resource, limit in changes.items():
            same = sa.and_(quota_classes.c.class_name == name, quota_classes.c.resource == resource)
            connection.execute(sa.delete(quota_classes).where(same))
            connection.execute(sa.insert(quota_classes).values(class_name=name, resource=resource, limit=limit))
        return class_limits(volume, connection, name)


def rename_type(connection: Connection, old: str, new: str | None) -> None:
    """A type's limits go with its name; without a new one they go."""
    for table in (quotas, quota_classes):
        for resource in BY_TYPE:
            mine = table.c.resource == f"{resource}_{old}"
            if new is None:
                connection.execute(sa.delete(table).where(mine))
            else:
                connection.execute(sa.update(table).where(mine).values(resource=f"{resource}_{new}"))
