"""Wanting a volume: what it is made from, its type and zone, its quota, its row and its job in one transaction."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.volume.clients import image as images
from cumulet.volume.domain import backups, encryption, groups, quotas, services, types, volumes
from cumulet.volume.errors import not_found
from cumulet.volume.scheduling.filters import ZONES
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs, snapshots
from cumulet.volume.tables import volumes as table

DEADLINE_S = 6 * 3600.0
_GIB = 1 << 30


class Request(msgspec.Struct, kw_only=True):
    """What a client asks for. At most one source; sizes GiB."""

    size: int | None = None
    name: str | None = None
    description: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    metadata: dict[str, str] = {}
    snapshot_id: str | None = None
    source_volid: str | None = None
    image_id: str | None = None
    of_servers_too: bool = False
    """Whether an image of a server on a volume stands for that server's snapshot (microversion 3.46)."""
    backup_id: str | None = None
    group_id: str | None = None
    scheduler_hints: dict[str, Any] = {}


class _Source(msgspec.Struct):
    """What a volume is made from, as far as it decides about size, type, zone and host."""

    smallest: int = 1
    type_id: str | None = None
    zone: str | None = None
    host: str | None = None
    image_metadata: dict[str, str] = {}
    bootable: bool = False
    encryption_key_id: str | None = None


def create(volume: Volume, ctx: Context, request: Request) -> Row[Any]:
    """The volume, `creating`. Raises NotFound, BadRequest, OverLimit."""
    image = images.show(volume, ctx, request.image_id) if request.image_id else None
    with volume.db.write() as connection:
        if image is not None and (snapshot_id := _boot_snapshot(connection, ctx, image)) and request.of_servers_too:
            request, image = msgspec.structs.replace(request, image_id=None, snapshot_id=snapshot_id), None
        source = _source(connection, ctx, request, image)
        size = _size(request, source)
        type_row = _type(volume, connection, ctx, request, source, image)
        _may_be_multiattach(volume, ctx, type_row)
        zone = _zone(volume, connection, request, source, type_row)
        if request.group_id is not None:
            group = groups.for_volume(connection, ctx, request.group_id, type_row.id)
            source.host = source.host or group.host
        volume_id = enter(
            volume,
            connection,
            ctx,
            {
                "size": size,
                "name": request.name,
                "description": request.description,
                "availability_zone": zone,
                "snapshot_id": request.snapshot_id,
                "source_volid": request.source_volid,
                "group_id": request.group_id,
                "bootable": source.bootable,
                "scheduler_hints": volumes.encode(request.scheduler_hints),
            },
            type_row,
            metadata=request.metadata,
            image_metadata=source.image_metadata,
        )
        payload = {"image_id": request.image_id, "backup_id": request.backup_id, "host": source.host}
        enqueue(
            connection,
            jobs,
            volumes.CREATE,
            payload,
            subject=volume_id,
            deadline_s=DEADLINE_S,
            max_attempts=volumes.ATTEMPTS,
            ctx=ctx,
        )
        row = volumes.load(connection, volume_id)
    volume.wake()
    return row


def enter(
    volume: Volume,
    connection: Connection,
    ctx: Context,
    values: dict[str, Any],
    type_row: Row[Any],
    *,
    metadata: dict[str, str] | None = None,
    image_metadata: dict[str, str] | None = None,
) -> str:
    """A volume's row, `creating`, within the project's quota. Returns its id; the job is the caller's.

    values: columns; `project_id` and `user_id` are the caller's where they are not given. Raises OverLimit.
    """
    project_id = values.get("project_id") or ctx.project_id or ""
    size = values["size"]
    if values.get("consumes_quota", True):
        more = {"volumes": 1, "gigabytes": size}
        more |= {f"volumes_{type_row.name}": 1, f"gigabytes_{type_row.name}": size}
        quotas.require(volume, connection, project_id, more, size=size)
    row = {
        "id": uuid_id(),
        "project_id": project_id,
        "user_id": ctx.user_id,
        "status": "creating",
        "attach_status": "detached",
        "volume_type_id": type_row.id,
        "encrypted": type_row.encryption is not None,
        "multiattach": types.is_multiattach(type_row),
        "metadata": volumes.encode(metadata or {}),
        "image_metadata": volumes.encode(image_metadata or {}),
        "admin_metadata": "{}",
        "attachments": "[]",
        "scheduler_hints": "{}",
        "created_at": volume.now(),
        **values,
    }
    if type_row.encryption is not None and volume.keys is not None and "encryption_key_id" not in values:
        bits = encryption.bits(encryption.of_row(type_row) or {})
        row["encryption_key_id"] = volume.keys.create(connection, project_id=project_id, bits=bits)
    connection.execute(sa.insert(table).values(**row))
    volumes.enter_metadata(connection, row["id"], "user", metadata or {})
    volumes.enter_metadata(connection, row["id"], "image", image_metadata or {})
    return str(row["id"])


def _source(connection: Connection, ctx: Context, request: Request, image: dict[str, Any] | None) -> _Source:
    given = [request.snapshot_id, request.source_volid, request.image_id, request.backup_id]
    if sum(each is not None for each in given) > 1:
        raise BadRequest(
            "Invalid input received: it has one of snapshot_id, source_volid, imageRef, backup_id at most."
        )
    if request.snapshot_id is not None:
        return _from_snapshot(connection, ctx, request.snapshot_id)
    if request.source_volid is not None:
        return _from_volume(connection, ctx, request.source_volid)
    if request.backup_id is not None:
        return _from_backup(connection, ctx, request)
    if image is not None:
        return _from_image(image, request.size)
    return _Source()


def _boot_snapshot(connection: Connection, ctx: Context, image: dict[str, Any]) -> str | None:
    """The snapshot that an image of a server on a volume stands for. Raises NotFound when that is gone."""
    snapshot_id = images.boot_snapshot(image)
    if snapshot_id is None:
        return None
    row = connection.execute(sa.select(snapshots.c.project_id).where(snapshots.c.id == snapshot_id)).first()
    if row is None or (row.project_id != ctx.project_id and not ctx.is_admin):
        raise NotFound(f"Nova specific image is found, but boot volume snapshot id:{snapshot_id} not found.")
    return snapshot_id


def _from_snapshot(connection: Connection, ctx: Context, snapshot_id: str) -> _Source:
    row = connection.execute(sa.select(snapshots).where(snapshots.c.id == snapshot_id).with_for_update()).first()
    if row is None or (row.project_id != ctx.project_id and not ctx.is_admin):
        raise not_found("Snapshot", snapshot_id)
    if row.status != "available":
        raise BadRequest("Invalid snapshot: Originating snapshot status must be one of 'available' values")
    origin = volumes.load(connection, row.volume_id)
    return _Source(
        smallest=row.volume_size,
        type_id=row.volume_type_id,
        zone=origin.availability_zone,
        host=origin.host,
        image_metadata=volumes.metadata_of(origin, "image"),
        bootable=origin.bootable,
        encryption_key_id=row.encryption_key_id,
    )


def _from_volume(connection: Connection, ctx: Context, volume_id: str) -> _Source:
    row = volumes.load_any(connection, volume_id, lock=True)
    if row is None or (row.project_id != ctx.project_id and not ctx.is_admin):
        raise not_found("Volume", volume_id)
    if row.status not in ("available", "in-use"):
        raise BadRequest(
            "Invalid volume: Unable to create a volume from an originating source volume when its status is not one "
            "of 'available', 'in-use' values."
        )
    return _Source(
        smallest=row.size,
        type_id=row.volume_type_id,
        zone=row.availability_zone,
        host=row.host,
        image_metadata=volumes.metadata_of(row, "image"),
        bootable=row.bootable,
        encryption_key_id=row.encryption_key_id,
    )


def _from_backup(connection: Connection, ctx: Context, request: Request) -> _Source:
    row = backups.load_any(connection, request.backup_id or "")
    if row is None or (row.project_id != ctx.project_id and not ctx.is_admin):
        raise not_found("Backup", request.backup_id)
    if row.status != "available" or row.digest is None:
        raise BadRequest("Invalid backup: Backup status must be available")
    if request.size is not None and request.size < row.size:
        raise BadRequest(
            f"Invalid input received: Volume size {request.size}GB cannot be smaller than the backup size {row.size}GB."
        )
    facts = backups.facts_of(row)
    return _Source(smallest=row.size, image_metadata=facts["image_metadata"], bootable=facts["bootable"])


def _from_image(image: dict[str, Any], size: int | None) -> _Source:
    if image.get("status") != "active":
        raise BadRequest(f"Invalid input received: Image {image['id']} is not active.")
    needed = -(-int(image.get("size") or 0) // _GIB)
    if size is not None and size < needed:
        raise BadRequest(
            f"Invalid input received: Size of specified image {needed}GB is larger than volume size {size}GB."
        )
    smallest = int(image.get("min_disk") or 0)
    if size is not None and size < smallest:
        raise BadRequest(
            f"Invalid input received: Volume size {size}GB cannot be smaller than the image minDisk size {smallest}GB."
        )
    return _Source(image_metadata=images.metadata_of(image), bootable=True)


def _size(request: Request, source: _Source) -> int:
    made_from_own = any(each is not None for each in (request.snapshot_id, request.source_volid, request.backup_id))
    if request.size is None:
        if not made_from_own:
            raise BadRequest("Invalid input received: Volume size 'None' must be an integer and greater than 0")
        return source.smallest
    if made_from_own and request.size < source.smallest:
        noun = "the snapshot size" if request.snapshot_id is not None else "original volume size"
        raise BadRequest(
            f"Invalid input received: Volume size '{request.size}'GB cannot be smaller than "
            f"{noun} {source.smallest}GB. "
            f"They must be >= {noun}."
        )
    return request.size


def _type(
    volume: Volume,
    connection: Connection,
    ctx: Context,
    request: Request,
    source: _Source,
    image: dict[str, Any] | None,
) -> Row[Any]:
    """The type that is named, else the source's, else the image's (`cinder_img_volume_type`), else the default."""
    if request.volume_type:
        row = types.by_id_or_name(connection, request.volume_type, ctx)
    elif source.type_id is not None:
        row = types.load(connection, source.type_id)
    elif image is not None and image.get("cinder_img_volume_type"):
        try:
            row = types.by_id_or_name(connection, str(image["cinder_img_volume_type"]), ctx)
        except NotFound:
            row = types.default(volume, connection, ctx.project_id)
    else:
        row = types.default(volume, connection, ctx.project_id)
    if source.host is not None and (source.encryption_key_id is not None) != (row.encryption is not None):
        raise BadRequest(
            "Invalid input received: Invalid volume_type provided: the volume's type and that of its source must both "
            "be encrypted or both not."
        )
    return row


def _may_be_multiattach(volume: Volume, ctx: Context, type_row: Row[Any]) -> None:
    if types.is_multiattach(type_row):
        volume.policy.can(ctx, "volume:multiattach", {"project_id": ctx.project_id})


def _zone(volume: Volume, connection: Connection, request: Request, source: _Source, type_row: Row[Any]) -> str | None:
    """Raises BadRequest for a zone there is not, and for another than the source's."""
    conf = volume.conf
    known = services.zones(volume, connection)
    wanted = request.availability_zone or None
    if conf.cloned_volume_same_az and source.zone is not None:
        if wanted is not None and wanted != source.zone:
            raise BadRequest("Invalid input received: Volume must be in the same availability zone as its source.")
        return source.zone
    if wanted is None:
        if ZONES in types.extra_specs(type_row):
            return None
        return str(conf.default_availability_zone or conf.storage_availability_zone)
    if wanted in known:
        return wanted
    if conf.allow_availability_zone_fallback:
        return str(conf.default_availability_zone or conf.storage_availability_zone)
    raise BadRequest(f"Availability zone '{wanted}' is invalid.")
