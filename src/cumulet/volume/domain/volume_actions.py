"""What is done to a volume that is there: allowed states, quota, status and job in one transaction."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.clients import image as images
from cumulet.volume.domain import quotas, snapshots, types, volumes
from cumulet.volume.domain.attaching import invalid
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs
from cumulet.volume.tables import snapshots as snapshot_table
from cumulet.volume.tables import volumes as table

DEADLINE_S: Final = 6 * 3600.0
_STILL: Final = (None, "deleting", "error", "success", "none")
"""Migration statuses in which none is under way."""


def _start(
    volume: Volume, connection: Connection, ctx: Context, row: Row[Any], kind: str, status: str, **payload: Any
) -> None:
    """The volume in a status that ends with the job; the status it comes from is remembered."""
    volumes.change(connection, row.id, volume.now(), status=status, previous_status=row.status)
    now = volumes.load(connection, row.id)
    given = {"generation": now.generation, "previous": row.status, **payload}
    enqueue(
        connection, jobs, kind, given, subject=row.id, deadline_s=DEADLINE_S, max_attempts=volumes.ATTEMPTS, ctx=ctx
    )


def extend(volume: Volume, ctx: Context, volume_id: str, size: int, *, online: bool) -> None:
    """Raises BadRequest, OverLimit. The growth counts against the quota from now on."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        allowed = ("available", "in-use") if online else ("available",)
        if row.status not in allowed or row.migration_status not in _STILL:
            raise invalid(
                f"Volume {volume_id} status must be '{' or '.join(allowed)}' to extend, currently {row.status}."
            )
        growth = size - row.size
        if growth <= 0:
            raise BadRequest(
                "Invalid input received: New size for extend must be greater than current size. "
                f"(current: {row.size}, extended: {size})."
            )
        quotas.size_limit(volume, connection, row.project_id, size)
        more = {"gigabytes": growth}
        type_row = volumes.type_of(connection, row)
        if type_row is not None:
            more[f"gigabytes_{type_row.name}"] = growth
        quotas.require(volume, connection, row.project_id, more)
        connection.execute(sa.update(table).where(table.c.id == row.id).values(growing_gb=growth))
        _start(volume, connection, ctx, row, volumes.EXTEND, "extending", size=size)
    volume.wake()


def set_bootable(volume: Volume, volume_id: str, *, bootable: bool) -> None:
    with volume.db.write() as connection:
        volumes.load(connection, volume_id, lock=True)
        volumes.change(connection, volume_id, volume.now(), bootable=bootable)


def set_readonly(volume: Volume, volume_id: str, *, readonly: bool) -> None:
    """Raises BadRequest while it is in use."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.status != "available":
            raise invalid(
                f"Volume {volume_id} status must be available to update readonly flag, but current status is: "
                f"{row.status}."
            )
        volumes.set_admin_metadata(connection, row, readonly=str(readonly))


def retype(volume: Volume, ctx: Context, volume_id: str, type_name: str, policy: str) -> None:
    """Raises NotFound, BadRequest, OverLimit."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        new = types.by_id_or_name(connection, type_name, ctx)
        if row.status not in ("available", "in-use") or row.migration_status not in _STILL:
            raise invalid(
                f"Retype needs volume to be in available or in-use state, not be part of an active migration or a "
                f"consistency group, and not be replicated: it is {row.status}."
            )
        if new.id == row.volume_type_id:
            raise BadRequest(f"Invalid volume_type passed: {type_name}. The volume has this type already.")
        old = volumes.type_of(connection, row)
        _same_kind(row, old, new)
        more = {f"volumes_{new.name}": 1, f"gigabytes_{new.name}": row.size}
        quotas.require(volume, connection, row.project_id, more)
        _start(volume, connection, ctx, row, volumes.RETYPE, "retyping", type_id=new.id, policy=policy)
    volume.wake()


def _same_kind(row: Row[Any], old: Row[Any] | None, new: Row[Any]) -> None:
    """What a retype cannot change: encryption, and multiattach while attached."""
    if (old is not None and old.encryption is not None) != (new.encryption is not None):
        raise BadRequest("Invalid volume_type passed: volumes cannot become encrypted, or plain, by a retype.")
    multiattach = types.is_multiattach(new)
    if row.status == "in-use" and multiattach != row.multiattach:
        raise BadRequest("Invalid volume_type passed: multiattach can only be changed while the volume is available.")


def upload(volume: Volume, ctx: Context, volume_id: str, values: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """A queued image of the caller's, and a job that fills it; returns the image. Raises BadRequest."""
    allowed = ("available", "in-use") if force else ("available",)
    with volume.db.read() as connection:
        row = volumes.load(connection, volume_id)
    _may_upload(row, allowed)
    image = images.create(volume, ctx, values | _image_properties(row))
    with volume.db.write() as connection:
        now = volumes.load(connection, volume_id, lock=True)
        if now.status not in allowed:
            enqueue(connection, jobs, volumes.DROP_IMAGE, {"image_id": image["id"]}, subject=volume_id, ctx=ctx)
        else:
            given = {"image_id": image["id"], "disk_format": values["disk_format"]}
            _start(volume, connection, ctx, now, volumes.UPLOAD, "uploading", **given)
    volume.wake()
    _may_upload(now, allowed)
    return image


def _may_upload(row: Row[Any], allowed: tuple[str, ...]) -> None:
    if row.status not in allowed:
        raise invalid(f"Volume {row.id} status must be {' or '.join(allowed)}")


def _image_properties(row: Row[Any]) -> dict[str, str]:
    """What the volume's own image said about itself, except what is not a property."""
    found = volumes.metadata_of(row, "image")
    hidden = images.BASIC | {"image_id", "image_name", "signature_verified"}
    return {key: value for key, value in found.items() if key not in hidden and not key.startswith("os_glance")}


def revert(volume: Volume, ctx: Context, volume_id: str, snapshot_id: str) -> None:
    """To its latest snapshot. Raises NotFound, BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        newest = sa.select(snapshot_table.c.id).where(snapshot_table.c.volume_id == volume_id)
        newest = newest.order_by(snapshot_table.c.created_at.desc(), snapshot_table.c.id.desc()).limit(1)
        if connection.execute(newest).scalar() != snapshot_id:
            raise BadRequest(f"Specified snapshot {snapshot_id} is None or not the latest one of volume {volume_id}.")
        snapshot = snapshots.load(connection, snapshot_id, lock=True)
        if row.size != snapshot.volume_size:
            raise BadRequest(
                f"Invalid input received: Can't revert volume {volume_id} to its latest snapshot {snapshot_id}. The "
                f"volume size must be equal to the snapshot size."
            )
        if row.status not in ("available",):
            raise invalid(
                f"Can't revert volume {volume_id} to its latest snapshot. Volume's status must be 'available'."
            )
        if snapshot.status != "available":
            raise BadRequest(f"Invalid snapshot: Can't revert to snapshot {snapshot_id}: it is {snapshot.status}.")
        snapshots.change(connection, snapshot_id, volume.now(), status="restoring")
        _start(volume, connection, ctx, row, volumes.REVERT, "reverting", snapshot_id=snapshot_id)
    volume.wake()


def reimage(volume: Volume, ctx: Context, volume_id: str, image_id: str, *, reserved: bool) -> None:
    """Raises BadRequest."""
    image = images.show_or_missing(volume, ctx, image_id)
    if image.get("status") != "active":
        raise BadRequest(f"Invalid input received: Image {image_id} is not active.")
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        allowed = ("available", "error", "reserved") if reserved else ("available", "error")
        if row.status not in allowed:
            raise invalid(f"Volume {volume_id} status must be {' or '.join(allowed)}, but it is {row.status}.")
        smallest = max(int(image.get("min_disk") or 0), -(-int(image.get("size") or 0) // (1 << 30)))
        if smallest > row.size:
            raise BadRequest(
                f"Invalid input received: Size of specified image {smallest}GB is larger than volume size {row.size}GB."
            )
        if connection.execute(
            sa.select(snapshot_table.c.id).where(snapshot_table.c.volume_id == volume_id).limit(1)
        ).first():
            raise invalid(f"Volume {volume_id} has snapshots and cannot be re-imaged.")
        _start(volume, connection, ctx, row, volumes.REIMAGE, "downloading", image_id=image_id)
    volume.wake()
