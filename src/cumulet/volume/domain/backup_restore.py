"""Restoring a backup: into a volume that is there, or a new one."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import backups, types, volume_create, volumes
from cumulet.volume.domain.backups import DEADLINE_S
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs

DESCRIPTION = "auto-created_from_restore_from_backup"


def restore(volume: Volume, ctx: Context, backup_id: str, volume_id: str | None, name: str | None) -> Row[Any]:
    """The volume, `restoring-backup` or `creating`. Raises NotFound, BadRequest, OverLimit."""
    with volume.db.write() as connection:
        row = backups.load(connection, backup_id, lock=True)
        if row.status != "available":
            raise BadRequest("Invalid backup: Backup status must be available")
        if not row.size:
            raise BadRequest("Invalid backup: Backup to be restored has invalid size")
        if row.digest is None:
            raise BadRequest("Invalid backup: its contents are not known")
        if volume_id is None:
            target = _new(volume, connection, ctx, row, name)
        else:
            target = _there(volume, connection, ctx, row, volume_id)
        backups.change(connection, backup_id, volume.now(), status="restoring", restore_volume_id=target.id)
        payload = {"volume_id": target.id}
        enqueue(connection, jobs, backups.RESTORE, payload, subject=backup_id, deadline_s=DEADLINE_S, ctx=ctx)
    volume.wake()
    return target


def _new(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], name: str | None) -> Row[Any]:
    type_row = types.default(volume, connection, ctx.project_id)
    values = {
        "size": row.size,
        "name": name or f"restore_backup_{row.id}",
        "description": DESCRIPTION,
        "availability_zone": None,
        "project_id": ctx.project_id,
    }
    facts = backups.facts_of(row)
    more = {"metadata": facts["metadata"], "image_metadata": facts["image_metadata"]}
    values["bootable"] = facts["bootable"]
    volume_id = volume_create.enter(volume, connection, ctx, values, type_row, **more)
    enqueue(connection, jobs, volumes.CREATE, {}, subject=volume_id, deadline_s=DEADLINE_S, ctx=ctx)
    return volumes.load(connection, volume_id)


def _there(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], volume_id: str) -> Row[Any]:
    target = volumes.load(connection, volume_id, lock=True)
    if target.project_id != ctx.project_id and not ctx.is_admin:
        raise not_found("Volume", volume_id)
    if target.status != "available":
        raise BadRequest("Invalid volume: Volume to be restored to must be available")
    if target.size < row.size:
        raise BadRequest(
            f"Invalid volume: volume size {target.size} is too small to restore backup of size {row.size}."
        )
    values = {"status": "restoring-backup", "previous_status": target.status}
    volumes.change(connection, volume_id, volume.now(), **values)
    return volumes.load(connection, volume_id)
