"""Moving a volume that a server uses: Compute copies it into another one, which then becomes its place.

The other volume is a row of its own while that lasts, `target:<id>` being its migration status, by which Compute and an
The other volume is a row of its own while that lasts, its migration status `target:<id>`, by which Compute and an
volume keeps its id, and what is deleted is what it left behind.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import attaching, messages, pools, types, volume_create, volume_delete, volumes
from cumulet.volume.domain.attaching import invalid
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments, jobs
from cumulet.volume.tables import volumes as table

SWAP: Final = "volume.swap"
"""The kind of job; the subject is the volume's id."""
DEADLINE_S: Final = 6 * 3600.0
_HELD: Final = ("maintenance", "retyping")
"""Statuses that a volume in use has only while it is moved."""


def enqueue_swap(connection: Connection, ctx: Context | None, row: Row[Any], target: str, type_id: str | None) -> None:
    """Into the caller's transaction, which has made the volume `starting`."""
    payload = {"target": target, "type_id": type_id}
    enqueue(
        connection,
        jobs,
        SWAP,
        payload,
        subject=row.id,
        deadline_s=DEADLINE_S,
        max_attempts=volumes.ATTEMPTS,
        ctx=ctx,
    )


def may_swap(connection: Connection, row: Row[Any]) -> None:
    """Raises BadRequest for a volume that several servers have, or something that is no server."""
    own = attaching.of(connection, row.id)
    if len(own) != 1 or own[0].instance_id is None or own[0].attach_status != "attached":
        raise invalid(f"Volume {row.id} can only be moved in use while exactly one server has it.")


def mark(row: Row[Any]) -> str:
    return f"target:{row.id}"


def target_of(connection: Connection, row: Row[Any], *, lock: bool = False) -> Row[Any] | None:
    """The other place of a volume that is being moved."""
    query = sa.select(table).where(table.c.migration_status == mark(row), table.c.project_id == row.project_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def enter_target(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], host: str, type_id: str) -> str:
    """The other volume's row, `creating`, which counts against no quota. Returns its id."""
    service = pools.service_of(connection, host)
    values = {
        "size": row.size,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "availability_zone": row.availability_zone if service is None else service.availability_zone,
        "service_uuid": None if service is None else service.id,
        "host": host,
        "bootable": row.bootable,
        "migration_status": mark(row),
        "consumes_quota": False,
    }
    return volume_create.enter(volume, connection, ctx, values, types.load(connection, type_id))


def complete(volume: Volume, ctx: Context, old_id: str, new_id: str, *, failed: bool) -> str:
    """os-migrate_volume_completion of such a move; returns the id that stays: the volume's own. Raises BadRequest."""
    with volume.db.write() as connection:
        first, second = sorted((old_id, new_id))
        rows = {each: volumes.load(connection, each, lock=True) for each in (first, second)}
        old, new = rows[old_id], rows[new_id]
        if new.migration_status != mark(old) or old.migration_status != "migrating":
            raise invalid(f"Volume {old_id} is not being moved to {new_id}: it is {old.migration_status}.")
        if failed:
            give_up(volume, connection, ctx, old, "Compute could not swap the volumes.")
        else:
            _change_places(volume, connection, ctx, old, new)
    volume.wake()
    return old_id


def _change_places(volume: Volume, connection: Connection, ctx: Context, old: Row[Any], new: Row[Any]) -> None:
    now = volume.now()
    left = connection.execute(
        sa.select(attachments.c.id).where(
            attachments.c.volume_id == old.id, attachments.c.attach_status.in_(("attached", "attaching", "detaching"))
        )
    ).first()
    if left is not None:
        raise BadRequest(f"Invalid volume: Volume {old.id} is still attached where it was.")
    moved = sa.update(attachments).where(attachments.c.volume_id == new.id)
    connection.execute(moved.values(volume_id=old.id, updated_at=now))
    for row, other in ((old, new), (new, old)):
        place = {
            "host": other.host,
            "name_id": other.name_id or other.id,
            "service_uuid": other.service_uuid,
            "availability_zone": other.availability_zone,
            "encryption_key_id": other.encryption_key_id,
            "volume_type_id": other.volume_type_id,
            "multiattach": other.multiattach,
            "encrypted": other.encrypted,
        }
        volumes.change(connection, row.id, now, **place)
    volumes.change(connection, old.id, now, migration_status="success", **_free(old))
    attaching.settle(volume, connection, volumes.load(connection, old.id))
    modes = [each.attach_mode for each in attaching.of(connection, old.id) if each.attach_status == "attached"]
    if modes:
        volumes.set_admin_metadata(connection, old, attached_mode=modes[0])
    _drop(volume, connection, ctx, new.id)


def _free(row: Row[Any]) -> dict[str, Any]:
    """The status that follows its attachments again."""
    return {"status": "in-use"} if row.status in _HELD else {}


def give_up(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], reason: str) -> None:
    """The volume stays where it is; the other place goes. The caller has locked the row."""
    volumes.change(connection, row.id, volume.now(), migration_status="error", **_free(row))
    attaching.settle(volume, connection, volumes.load(connection, row.id))
    target = target_of(connection, row, lock=True)
    if target is not None:
        _drop(volume, connection, ctx, target.id)
    action, detail = messages.BY_JOB.get(volumes.MIGRATE, ("001", "001"))
    messages.enter(
        volume,
        connection,
        project_id=row.project_id,
        request_id=ctx.request_id or None,
        kind="VOLUME",
        resource_id=row.id,
        action=action,
        detail=detail,
    )


def _drop(volume: Volume, connection: Connection, ctx: Context, volume_id: str) -> None:
    connection.execute(sa.delete(attachments).where(attachments.c.volume_id == volume_id))
    volumes.change(connection, volume_id, volume.now(), migration_status="deleting")
    volume_delete.begin(volume, connection, ctx, volumes.load(connection, volume_id), force=True)
