"""Messages: what a user may know of work that failed, in published words (Block Storage API, Messages)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.ids import uuid_id
from cumulet.volume.domain import listing
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import messages

ACTIONS: Final[Mapping[str, str]] = {
    "001": "schedule allocate volume",
    "002": "attach volume",
    "003": "copy volume to image",
    "004": "update attachment",
    "005": "copy image to volume",
    "006": "unmanage volume",
    "007": "extend volume",
    "008": "create volume from backend storage",
    "009": "create snapshot",
    "010": "delete snapshot",
    "011": "update snapshot",
    "012": "update snapshot metadata",
    "013": "create backup",
    "014": "delete backup",
    "015": "restore backup",
    "016": "reimage volume",
}
DETAILS: Final[Mapping[str, str]] = {
    "001": "An unknown error occurred.",
    "002": "Driver is not initialized at present.",
    "003": "Could not find any available weighted backend.",
    "004": "Failed to upload volume to image at backend.",
    "005": "Volume's attach mode is invalid.",
    "006": "Not enough quota resource for operation.",
    "007": "Image used for creating volume exceeds available space.",
    "008": "Unmanaging encrypted volumes is not supported.",
    "009": "Compute service failed to extend volume.",
    "010": "Volume Driver failed to extend volume.",
    "011": "Image signature verification failed.",
    "012": "Driver failed to create the volume.",
    "013": "Snapshot failed to create.",
    "014": "Volume snapshot update metadata failed.",
    "015": "Snapshot is busy.",
    "016": "Snapshot failed to delete.",
    "017": "Backup status is invalid.",
    "018": "Backup service is down.",
    "019": "Failed to get backup device from the volume service.",
    "020": "Backup driver failed to create backup.",
    "021": "Failed to attach volume.",
    "022": "Failed to detach volume.",
    "023": "Cleanup of temporary volume/snapshot failed.",
    "024": "Backup failed to schedule. Service not found for creating backup.",
    "025": "Backup driver failed to delete backup.",
    "026": "Backup driver failed to restore backup.",
    "027": "Volume status is invalid.",
    "028": "Compute service failed to reimage volume.",
    "029": "The image disk format must be the same as the volume format for the volume type you are requesting.",
    "030": "Incremental backup not possible, forcing full backup.",
}
BY_JOB: Final[Mapping[str, tuple[str, str]]] = {
    "volume.create": ("008", "012"),
    "volume.extend": ("007", "010"),
    "volume.upload": ("003", "004"),
    "volume.reimage": ("016", "028"),
    "volume.retype": ("001", "003"),
    "volume.migrate": ("001", "003"),
    "volume.unmanage": ("006", "001"),
    "snapshot.create": ("009", "013"),
    "snapshot.delete": ("010", "016"),
    "backup.create": ("013", "020"),
    "backup.delete": ("014", "025"),
    "backup.restore": ("015", "026"),
}
"""kind of job -> (action, detail) where its reason says nothing more"""
NO_BACKEND: Final = ("001", "003")
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: messages.c[column]
    for key, column in {
        "id": "id",
        "created_at": "created_at",
        "event_id": "action_id",
        "message_level": "message_level",
        "guaranteed_until": "expires_at",
        "resource_type": "resource_type",
        "resource_uuid": "resource_uuid",
        "request_id": "request_id",
    }.items()
}
FILTERS: Final = frozenset(("message_level", "resource_type", "resource_uuid", "request_id", "event_id"))
_SECOND: Final = 1_000_000


def event_id(row: Row[Any]) -> str:
    return f"VOLUME_{row.resource_type or 'VOLUME'}_{row.action_id}_{row.detail_id}"


def text(row: Row[Any]) -> str:
    return f"{ACTIONS.get(row.action_id, 'unknown action')}: {DETAILS.get(row.detail_id, DETAILS['001'])}"


def enter(
    volume: Volume,
    connection: Connection,
    *,
    project_id: str,
    request_id: str | None,
    kind: str,
    resource_id: str,
    action: str,
    detail: str,
) -> None:
    """Into the caller's transaction. kind: VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP."""
    now = volume.now()
    row = {
        "id": uuid_id(),
        "project_id": project_id,
        "request_id": request_id,
        "resource_type": kind,
        "resource_uuid": resource_id,
        "action_id": action,
        "detail_id": detail,
        "message_level": "ERROR",
        "created_at": now,
        "expires_at": now + int(volume.conf.message_ttl) * _SECOND,
    }
    connection.execute(sa.insert(messages).values(**row))


def conditions(volume: Volume, ctx: Context, wanted: Wanted) -> list[Condition]:
    found: list[Condition] = [messages.c.project_id == ctx.project_id, messages.c.expires_at > volume.now()]
    for key, value in wanted.filters.items():
        name = key.removesuffix("~")
        if name == "event_id":
            parts = str(value).rsplit("_", 2)
            found.append(
                sa.and_(messages.c.action_id == parts[-2], messages.c.detail_id == parts[-1])
                if len(parts) == 3
                else sa.false()
            )
        else:
            column = messages.c[name]
            found.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    return found


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, messages, where, wanted, sorts=SORTS, unknown_marker=lambda marker: not_found("Message", marker)
    )


def load(volume: Volume, connection: Connection, message_id: str) -> Row[Any]:
    """Raises the 404, also for one whose time is over."""
    alive = sa.and_(messages.c.id == message_id, messages.c.expires_at > volume.now())
    row = connection.execute(sa.select(messages).where(alive)).first()
    if row is None:
        raise not_found("Message", message_id)
    return row


def delete(volume: Volume, message_id: str) -> None:
    with volume.db.write() as connection:
        connection.execute(sa.delete(messages).where(messages.c.id == message_id))


def purge(volume: Volume) -> int:
    """Remove those whose time is over; how many."""
    with volume.db.write() as connection:
        return connection.execute(sa.delete(messages).where(messages.c.expires_at <= volume.now())).rowcount
