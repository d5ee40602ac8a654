"""Wanting a volume gone: the states that allow it, with its snapshots or without."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import volumes
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments, jobs, snapshots

DEADLINE_S = 24 * 3600.0
_STATES: Final = ("available", "error", "error_restoring", "error_extending", "error_managing", "error_deleting")
_SNAPSHOT_STATES: Final = ("available", "error", "error_deleting")
_MIGRATED: Final = (None, "deleting", "error", "success")
_REFUSAL: Final = (
    f"Invalid volume: Volume status must be {' or '.join(_STATES)} and must not be migrating, attached, belong to a "
    "group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer."
)


def request(volume: Volume, ctx: Context, volume_id: str, *, force: bool = False, cascade: bool = False) -> None:
    """The volume, `deleting`. Raises BadRequest where its state, its snapshots or its attachments forbid it."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        begin(volume, connection, ctx, row, force=force, cascade=cascade)
    volume.wake()


def begin(
    volume: Volume,
    connection: Connection,
    ctx: Context,
    row: Row[Any],
    *,
    force: bool = False,
    cascade: bool = False,
    with_group: bool = False,
) -> None:
    """In the caller's transaction, which has locked the row.

    force: whatever the status; what a server uses, is moved or has snapshots is not deleted for all that.
    with_group: its group is deleted too.
    """
    if row.status == "deleting":
        return
    if not force and row.status not in _STATES:
        raise BadRequest(_REFUSAL)
    if row.migration_status not in _MIGRATED or (row.group_id is not None and not with_group):
        raise BadRequest(_REFUSAL)
    if _is_attached(connection, row.id, reserved=not force):
        raise BadRequest(_REFUSAL)
    own = connection.execute(sa.select(snapshots).where(snapshots.c.volume_id == row.id).with_for_update()).all()
    if own and not cascade:
        raise BadRequest(_REFUSAL)
    if any(each.group_snapshot_id is not None or each.status not in _SNAPSHOT_STATES for each in own):
        raise BadRequest(_REFUSAL)
    now = volume.now()
    if own:
        mine = snapshots.c.volume_id == row.id
        changed = {"status": "deleting", "updated_at": now, "generation": snapshots.c.generation + 1}
        connection.execute(sa.update(snapshots).where(mine).values(**changed))
    values: dict[str, Any] = {"status": "deleting", "previous_status": row.status, "terminated_at": now}
    volumes.change(connection, row.id, now, **values)
    payload = {"force": force}
    enqueue(
        connection,
        jobs,
        volumes.DELETE,
        payload,
        subject=row.id,
        deadline_s=DEADLINE_S,
        key=row.id,
        max_attempts=volumes.ATTEMPTS,
        ctx=ctx,
    )


def _is_attached(connection: Connection, volume_id: str, *, reserved: bool) -> bool:
    """Whether a server uses it, or (`reserved`) only wants to."""
    held = sa.select(attachments.c.id).where(attachments.c.volume_id == volume_id)
    if not reserved:
        held = held.where(attachments.c.attach_status.in_(("attached", "detaching")))
    return connection.execute(held.limit(1)).first() is not None
