"""Attachments as rows: reserved for a server, connected for its host, complete, gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.volume.domain import attaching, listing, volumes
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments

SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: attachments.c[column]
    for key, column in {
        "id": "id",
        "volume_id": "volume_id",
        "instance_id": "instance_id",
        "instance_uuid": "instance_id",
        "attach_status": "attach_status",
        "created_at": "created_at",
        "updated_at": "updated_at",
    }.items()
}
_COLUMNS: Final = {"status": "attach_status", "instance_uuid": "instance_id", "tenant_id": "project_id"}
FILTERS: Final = frozenset(
    ("id", "volume_id", "instance_id", "instance_uuid", "attach_status", "status", "attach_mode", "attached_host")
) | {"project_id", "all_tenants", "tenant_id"}


def load_any(connection: Connection, attachment_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = sa.select(attachments).where(attachments.c.id == attachment_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def load(connection: Connection, attachment_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, attachment_id, lock=lock)
    if row is None:
        raise missing(attachment_id)
    return row


def missing(attachment_id: str) -> NotFound:
    return NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")


def find(connection: Connection, ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Row[Any]]:
    """A page. Raises the 404 for an unknown marker."""
    where: list[Condition] = [] if everyone else [attachments.c.project_id == ctx.project_id]
    if wanted.nothing:
        where = [sa.false()]
    for key, value in wanted.filters.items():
        name = key.removesuffix("~")
        column = attachments.c[_COLUMNS.get(name, name)]
        where.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    return listing.page(connection, attachments, where, wanted, sorts=SORTS, unknown_marker=missing)


def reserve(
    volume: Volume, ctx: Context, volume_id: str, server_id: str | None, *, mode: str | None, connecting: bool
) -> Row[Any]:
    """A new attachment, `reserved`, or `attaching` when it is connected at once. Raises BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if "error" in row.status:
            raise BadRequest(
                "Invalid volume: Volume attachments can not be created if the volume is in an error state. "
                f"The Volume {volume_id} currently has a status of: {row.status}"
            )
        _may_reserve(volume, connection, ctx, row, server_id)
        if mode == "rw" and attaching.readonly(row):
            mode = "ro"
        values = {
            "id": uuid_id(),
            "volume_id": volume_id,
            "project_id": row.project_id,
            "instance_id": server_id,
            "attach_status": "attaching" if connecting else "reserved",
            "attach_mode": mode,
            "created_at": volume.now(),
        }
        connection.execute(sa.insert(attachments).values(**values))
        attaching.settle(volume, connection, row)
        return load(connection, str(values["id"]))


def _may_reserve(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], server_id: str | None) -> None:
    """A second server needs a multiattach volume; the same one may come again, from another host it moves to."""
    if row.multiattach and row.status == "in-use" and row.bootable:
        volume.policy.can(ctx, "volume:multiattach_bootable_volume", {"project_id": row.project_id})
    allowed = ("available", "in-use", "downloading") if row.multiattach else ("available", "downloading")
    if row.status in allowed:
        return
    again = server_id is not None and row.status in ("in-use", "reserved")
    if again and any(each.instance_id == server_id for each in attaching.of(connection, row.id)):
        return
    raise BadRequest(
        f"Invalid volume: Volume {row.id} status must be {' or '.join(allowed)} to reserve, but the current status is "
        f"{row.status}."
    )


def enter(volume: Volume, attachment_id: str, **values: Any) -> Row[Any]:
    """Write what became of it, and what that means for the volume. Raises the 404."""
    with volume.db.write() as connection:
        found = load(connection, attachment_id)
        row = volumes.load(connection, found.volume_id, lock=True)
        changed = {**values, "updated_at": volume.now()}
        connection.execute(sa.update(attachments).where(attachments.c.id == attachment_id).values(**changed))
        if values.get("attach_mode") is not None and values.get("attach_status") == "attached":
            volumes.set_admin_metadata(connection, row, attached_mode=values["attach_mode"])
        attaching.settle(volume, connection, row)
        return load(connection, attachment_id)


def complete(volume: Volume, attachment_id: str) -> None:
    """The server has it. Raises BadRequest for one that was not connected."""
    with volume.db.read() as connection:
        row = load(connection, attachment_id)
    if row.attach_status not in ("attaching", "reserved", "attached"):
        raise BadRequest(f"Invalid volume: attachment {attachment_id} cannot be completed while {row.attach_status}.")
    now = volume.now()
    at = row.attached_at or now
    enter(volume, attachment_id, attach_status="attached", attached_at=at, attach_mode=row.attach_mode or "rw")


def forget(volume: Volume, attachment_id: str, *, forced: bool = False) -> list[Row[Any]]:
    """The row goes, the volume is free again; returns what is left. Nothing to forget is right too.

    `forced`: also one that an operator has declared broken.
    """
    with volume.db.write() as connection:
        found = load_any(connection, attachment_id)
        if found is None:
            return []
        row = volumes.load(connection, found.volume_id, lock=True)
        connection.execute(sa.delete(attachments).where(attachments.c.id == attachment_id))
        attaching.settle(volume, connection, row, forced=forced)
        return attaching.of(connection, row.id)


def attach(
    volume: Volume,
    volume_id: str,
    *,
    server_id: str | None,
    host: str | None,
    mountpoint: str | None,
    mode: str,
    project_id: str,
) -> Row[Any]:
    """os-attach: what Compute says before the attachments API: it is attached now. Raises BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        own = attaching.of(connection, volume_id)
        same = [each for each in own if (each.instance_id, each.attached_host) == (server_id, host)]
        allowed = ("available", "attaching", "reserved") + (("in-use",) if row.multiattach else ())
        if row.status not in allowed and not same:
            raise attaching.invalid(
                f"Volume status must be {' or '.join(allowed)} to attach, but the status is {row.status}."
            )
        if mode == "rw" and attaching.readonly(row):
            raise BadRequest(
                f"Invalid attaching mode 'rw' for volume {volume_id}: it is read-only and can only be attached as 'ro'."
            )
        now = volume.now()
        values: dict[str, Any] = {
            "attach_status": "attached",
            "attach_mode": mode,
            "mountpoint": mountpoint,
            "attached_at": now,
        }
        if same:
            connection.execute(sa.update(attachments).where(attachments.c.id == same[0].id).values(**values))
            attachment_id = same[0].id
        else:
            attachment_id = uuid_id()
            owned = {"id": attachment_id, "volume_id": volume_id, "project_id": project_id, "created_at": now}
            told = {"instance_id": server_id, "attached_host": host}
            connection.execute(sa.insert(attachments).values(**owned, **told, **values))
        volumes.set_admin_metadata(connection, row, attached_mode=mode)
        attaching.settle(volume, connection, row)
        return load(connection, attachment_id)


def to_detach(connection: Connection, volume_id: str, attachment_id: str | None) -> Row[Any] | None:
    """Which attachment is meant: the only one, where none is named. None: there is none. Raises BadRequest."""
    own = attaching.of(connection, volume_id)
    if attachment_id is not None:
        found = next((each for each in own if each.id == attachment_id), None)
        if found is None:
            if connection.execute(sa.select(attachments.c.id).where(attachments.c.id == attachment_id)).first():
                raise BadRequest("Invalid input received: Mismatched volume and attachment")
            raise missing(attachment_id)
        return found
    if len(own) > 1:
        raise attaching.invalid(f"Volume {volume_id} is attached more than once: the attachment has to be named.")
    return own[0] if own else None


def in_use_by(server_id: str | None) -> Conflict:
    return Conflict(f"Detach volume from instance {server_id or ''} using the Compute API")
