"""Setting a volume's states by hand, and ending what Compute did with two volumes."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest
from cumulet.volume.domain import attaching, volumes
from cumulet.volume.domain.attaching import invalid
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments

STATES: Final = (
    "creating",
    "available",
    "deleting",
    "error",
    "error_deleting",
    "error_managing",
    "managing",
    "attaching",
    "in-use",
    "detaching",
    "maintenance",
    "restoring-backup",
    "error_restoring",
    "reserved",
    "awaiting-transfer",
    "backing-up",
    "error_backing-up",
    "error_extending",
    "downloading",
    "uploading",
    "retyping",
    "extending",
)
ATTACH_STATES: Final = ("attached", "detached")
MIGRATION_STATES: Final = ("migrating", "error", "success", "completing", "none", "starting")


def reset(
    volume: Volume, volume_id: str, *, status: str | None, attach_status: str | None, migration_status: str | None
) -> None:
    """Whatever is under way loses its say. Raises BadRequest for a state there is not."""
    for kind, value, allowed in (
        ("Volume", status, STATES),
        ("Attach", attach_status, ATTACH_STATES),
        ("Migration", migration_status, MIGRATION_STATES),
    ):
        if value is not None and value not in allowed:
            raise BadRequest(f"{kind} status: {value[:64]} is invalid, valid statuses are: {allowed}.")
    values: dict[str, Any] = {}
    if status is not None:
        values |= {"status": status, "growing_gb": 0}
    if attach_status is not None:
        values["attach_status"] = attach_status
    if migration_status is not None:
        values["migration_status"] = None if migration_status == "none" else migration_status
    with volume.db.write() as connection:
        volumes.load(connection, volume_id, lock=True)
        if attach_status == "detached":
            connection.execute(sa.delete(attachments).where(attachments.c.volume_id == volume_id))
            volumes.refresh_attachments(connection, volume_id)
        volumes.change(connection, volume_id, volume.now(), **values)


def complete_swap(volume: Volume, old_id: str, new_id: str, *, failed: bool) -> str:
    """A server has moved its bytes from one volume to another: the new one is attached as the old one was.

    Returns the volume that is to be used from now on. Raises BadRequest.
    """
    with volume.db.write() as connection:
        first, second = sorted((old_id, new_id))
        rows = {volume_id: volumes.load(connection, volume_id, lock=True) for volume_id in (first, second)}
        old, new = rows[old_id], rows[new_id]
        if old.migration_status not in (None, "success", "error") or new.migration_status is not None:
            raise invalid("The volumes are being migrated by the volume service itself.")
        if failed:
            _release(volume, connection, new)
            return old_id
        for each in attaching.of(connection, old_id):
            if each.attach_status in ("attached", "detaching"):
                moved = {"volume_id": new_id, "attach_status": "attached", "connection_info": None}
                mine = attachments.c.id == each.id
                connection.execute(sa.update(attachments).where(mine).values(**moved, updated_at=volume.now()))
        for row in (old, new):
            _release(volume, connection, row)
        return new_id


def _release(volume: Volume, connection: sa.Connection, row: Row[Any]) -> None:
    attaching.settle(volume, connection, row)
