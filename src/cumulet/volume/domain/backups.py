"""Backups as rows: finding, wanting and changing them. Their bytes are the agent's (agents.volume.backups)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import listing, quotas, snapshots, volumes
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import backups, jobs

CREATE: Final = "backup.create"
DELETE: Final = "backup.delete"
RESTORE: Final = "backup.restore"
IMPORT: Final = "backup.import"
DEADLINE_S: Final = 24 * 3600.0
STATES: Final = ("available", "error")
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: backups.c[column]
    for key, column in {
        "id": "id",
        "name": "name",
        "display_name": "name",
        "status": "status",
        "size": "size",
        "volume_id": "volume_id",
        "project_id": "project_id",
        "created_at": "created_at",
        "updated_at": "updated_at",
        "data_timestamp": "data_timestamp",
    }.items()
}
FILTERS: Final = frozenset(
    ("id", "name", "display_name", "status", "volume_id", "project_id", "user_id", "snapshot_id")
)


class Request(msgspec.Struct, kw_only=True):
    """What a client asks for."""

    volume_id: str
    snapshot_id: str | None = None
    name: str | None = None
    description: str | None = None
    container: str | None = None
    incremental: bool = False
    force: bool = False
    metadata: dict[str, str] = {}
    availability_zone: str | None = None


def load_any(connection: Connection, backup_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = sa.select(backups).where(backups.c.id == backup_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def load(connection: Connection, backup_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, backup_id, lock=lock)
    if row is None:
        raise not_found("Backup", backup_id)
    return row


def change(connection: Connection, backup_id: str, now: int, **values: Any) -> None:
    connection.execute(sa.update(backups).where(backups.c.id == backup_id).values(updated_at=now, **values))


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Condition]:
    found: list[Condition] = [] if everyone else [backups.c.project_id == ctx.project_id]
    if wanted.nothing:
        return [sa.false()]
    for key, value in wanted.filters.items():
        name = {"display_name": "name", "tenant_id": "project_id"}.get(key.removesuffix("~"), key.removesuffix("~"))
        if name not in FILTERS:
            continue
        column = backups.c[name]
        found.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    return found


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, backups, where, wanted, sorts=SORTS, unknown_marker=lambda marker: not_found("Backup", marker)
    )


def parents(connection: Connection, ids: list[str]) -> frozenset[str]:
    """Which of these others build upon."""
    query = sa.select(backups.c.parent_id).where(backups.c.parent_id.in_(ids)).distinct()
    return frozenset(connection.execute(query).scalars())


def chain(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    """What a backup builds upon, oldest first: the rows of its volume's backups in one query."""
    if row.parent_id is None:
        return []
    query = sa.select(backups).where(backups.c.volume_id == row.volume_id)
    known = {each.id: each for each in connection.execute(query)}
    found: list[Row[Any]] = []
    current = known.get(row.parent_id)
    while current is not None and current not in found:
        found.insert(0, current)
        current = known.get(current.parent_id) if current.parent_id is not None else None
    return found


def create(volume: Volume, ctx: Context, request: Request) -> Row[Any]:
    """The backup, `creating`; its volume is `backing-up`. Raises NotFound, BadRequest, OverLimit."""
    with volume.db.write() as connection:
        source = volumes.load(connection, request.volume_id, lock=True)
        snapshot = _snapshot(connection, ctx, request)
        before = _begin(volume, connection, request, source, snapshot)
        parent = _parent(connection, request.volume_id, snapshot) if request.incremental else None
        size = source.size if snapshot is None else snapshot.volume_size
        quotas.require(volume, connection, source.project_id, {"backups": 1, "backup_gigabytes": size})
        now = volume.now()
        values = {
            "id": uuid_id(),
            "volume_id": source.id,
            "snapshot_id": request.snapshot_id,
            "parent_id": None if parent is None else parent.id,
            "project_id": source.project_id,
            "user_id": ctx.user_id,
            "name": request.name,
            "description": request.description,
            "status": "creating",
            "size": size,
            "container": request.container,
            "availability_zone": request.availability_zone or source.availability_zone,
            "service": volume.conf.backup_driver,
            "encryption_key_id": _key(volume, connection, source),
            "previous_status": before,
            "metadata": volumes.encode(request.metadata),
            "volume_facts": volumes.encode(_facts(source)),
            "data_timestamp": now if snapshot is None else snapshot.created_at,
            "created_at": now,
        }
        connection.execute(sa.insert(backups).values(**values))
        enqueue(connection, jobs, CREATE, {}, subject=str(values["id"]), deadline_s=DEADLINE_S, ctx=ctx)
        row = load(connection, str(values["id"]))
    volume.wake()
    return row


def _facts(source: Row[Any]) -> dict[str, Any]:
    """What a volume that is made of the backup gets besides the bytes."""
    metadata, image_metadata = volumes.metadata_of(source), volumes.metadata_of(source, "image")
    return {"metadata": metadata, "image_metadata": image_metadata, "bootable": bool(source.bootable)}


def facts_of(row: Row[Any]) -> dict[str, Any]:
    found = volumes.decode(row.volume_facts) or {}
    return {"metadata": {}, "image_metadata": {}, "bootable": False, **found}


def _snapshot(connection: Connection, ctx: Context, request: Request) -> Row[Any] | None:
    if request.snapshot_id is None:
        return None
    row = snapshots.load(connection, request.snapshot_id, lock=True)
    if row.project_id != ctx.project_id and not ctx.is_admin:
        raise not_found("Snapshot", request.snapshot_id)
    if row.volume_id != request.volume_id:
        raise BadRequest("Invalid snapshot: snapshot is of another volume.")
    return row


def _begin(
    volume: Volume, connection: Connection, request: Request, source: Row[Any], snapshot: Row[Any] | None
) -> str:
    """Mark what is backed up; what its status was."""
    if snapshot is not None:
        if snapshot.status != "available":
            raise BadRequest(
                "Invalid snapshot: Snapshot to be backed up must be available, but the current status is "
                f'"{snapshot.status}".'
            )
        snapshots.change(connection, snapshot.id, volume.now(), status="backing-up")
        return str(snapshot.status)
    if source.status not in ("available", "in-use"):
        raise BadRequest(
            "Invalid volume: Volume to be backed up must be available or in-use, but the current status is "
            f'"{source.status}".'
        )
    if source.status == "in-use" and not request.force:
        raise BadRequest("Invalid volume: Backing up an in-use volume must use the force flag.")
    volumes.change(connection, source.id, volume.now(), status="backing-up", previous_status=source.status)
    return str(source.status)


def _parent(connection: Connection, volume_id: str, snapshot: Row[Any] | None) -> Row[Any]:
    """The newest backup of the volume that is not newer than what is backed up now. Raises BadRequest."""
    query = sa.select(backups).where(
        backups.c.volume_id == volume_id, backups.c.status == "available", backups.c.digest.is_not(None)
    )
    if snapshot is not None:
        query = query.where(backups.c.data_timestamp < snapshot.created_at)
    row = connection.execute(query.order_by(backups.c.data_timestamp.desc(), backups.c.id).limit(1)).first()
    if row is None:
        raise BadRequest("Invalid backup: No backups available to do an incremental backup.")
    return row


def _key(volume: Volume, connection: Connection, source: Row[Any]) -> str | None:
    """A copy of the volume's key: the backup may outlive it."""
    if source.encryption_key_id is None or volume.keys is None:
        return None
    return volume.keys.copy(connection, source.encryption_key_id, project_id=source.project_id)


def update(volume: Volume, backup_id: str, values: dict[str, Any]) -> Row[Any]:
    with volume.db.write() as connection:
        load(connection, backup_id, lock=True)
        change(connection, backup_id, volume.now(), **values)
        return load(connection, backup_id)


def delete(volume: Volume, ctx: Context, backup_id: str, *, force: bool = False) -> None:
    """The backup, `deleting`. Raises BadRequest while others build upon it."""
    with volume.db.write() as connection:
        row = load(connection, backup_id, lock=True)
        if not force and row.status not in STATES:
            raise BadRequest("Invalid backup: Backup status must be available or error")
        if parents(connection, [backup_id]):
            raise BadRequest("Invalid backup: Incremental backups exist for this backup.")
        change(connection, backup_id, volume.now(), status="deleting")
        enqueue(connection, jobs, DELETE, {}, subject=backup_id, deadline_s=DEADLINE_S, key=backup_id, ctx=ctx)
    volume.wake()


def reset_status(volume: Volume, backup_id: str, status: str) -> None:
    """Raises BadRequest for what it cannot be set to."""
    with volume.db.write() as connection:
        row = load(connection, backup_id, lock=True)
        if row.status in ("creating", "deleting") and status == "available" and row.digest is None:
            raise BadRequest("Invalid backup: what was not written cannot be available.")
        change(connection, backup_id, volume.now(), status=status)
