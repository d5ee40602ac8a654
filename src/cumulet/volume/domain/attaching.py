"""What attachments mean for their volume's status."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.volume.domain import volumes
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments

_FOLLOWS: Final = ("available", "reserved", "attaching", "in-use", "detaching", "error_attaching", "error_detaching")
"""The statuses that say what the attachments say; in others something else is being done."""


def of(connection: Connection, volume_id: str) -> list[Row[Any]]:
    query = sa.select(attachments).where(attachments.c.volume_id == volume_id)
    return list(connection.execute(query.order_by(attachments.c.created_at, attachments.c.id)))


def settle(volume: Volume, connection: Connection, row: Row[Any], *, forced: bool = False) -> None:
    """Bring the volume's status to what its attachments say, `forced` also from `error`. The caller has locked the
    volume."""
    states = {each.attach_status for each in of(connection, row.id)}
    if "attached" in states:
        status, attach_status = "in-use", "attached"
    elif "attaching" in states:
        status, attach_status = "attaching", "attaching"
    elif "reserved" in states:
        status, attach_status = "reserved", "detached"
    else:
        status, attach_status = "available", "detached"
    values: dict[str, Any] = {"attach_status": attach_status}
    follows = row.status in _FOLLOWS or (forced and row.status == "error")
    if follows and row.status != status:
        values["status"] = status
    volumes.refresh_attachments(connection, row.id)
    volumes.change(connection, row.id, volume.now(), **values)
    if not states:
        volumes.set_admin_metadata(connection, volumes.load(connection, row.id), attached_mode=None)


def invalid(message: str) -> BadRequest:
    return BadRequest(f"Invalid volume: {message}")


def reserve(volume: Volume, volume_id: str) -> None:
    """os-reserve: `attaching`. Raises BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        allowed = ("available", "in-use") if row.multiattach else ("available",)
        if row.status not in allowed:
            raise invalid(f"Volume status must be {' or '.join(allowed)} to reserve, but the status is {row.status}.")
        volumes.change(connection, volume_id, volume.now(), status="attaching")


def unreserve(volume: Volume, volume_id: str) -> None:
    """os-unreserve: what it was before; nothing when it is not `attaching`."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.status == "attaching":
            settle(volume, connection, row)


def begin_detaching(volume: Volume, volume_id: str) -> None:
    """os-begin_detaching. Raises BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.status != "in-use" or row.attach_status != "attached":
            raise invalid(
                "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to "
                "detach."
            )
        if row.migration_status not in (None, "deleting", "error", "success"):
            raise invalid("Unable to detach volume while it is being migrated.")
        volumes.change(connection, volume_id, volume.now(), status="detaching")


def roll_detaching(volume: Volume, volume_id: str) -> None:
    """os-roll_detaching: it stays attached after all."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.status == "detaching":
            volumes.change(connection, volume_id, volume.now(), status="in-use")


def readonly(row: Row[Any]) -> bool:
    return str(volumes.decode(row.admin_metadata).get("readonly", "")).lower() == "true"


def is_service(ctx: Context) -> bool:
    """Whether another service asks, for itself or on behalf of a user."""
    return "service" in ctx.service_roles
