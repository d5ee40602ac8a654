"""The image-volume cache (Block Storage: Image-Volume cache): volumes of an internal project with images' bytes.

A back end with `image_volume_cache_enabled` makes the first volume from an image a clone of such a volume, and every
later one too. What was used longest ago goes first when the cache is full; an image that has changed goes at once.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.upsert import insert_if_absent
from cumulet.volume import options
from cumulet.volume.domain import types, volume_create, volume_delete, volumes
from cumulet.volume.service import Volume
from cumulet.volume.tables import image_cache
from cumulet.volume.tables import volumes as table

_GIB: Final = 1 << 30


def is_on(volume: Volume, host: str) -> bool:
    """Whether the back end of a host (HOST@BACKEND#POOL) keeps images."""
    conf = volume.conf
    internal = conf.cinder_internal_tenant_project_id and conf.cinder_internal_tenant_user_id
    return bool(internal) and bool(options.of_backend(conf, _section(host), "image_volume_cache_enabled"))


def _backend(host: str) -> str:
    return host.partition("#")[0]


def _section(host: str) -> str:
    """Under which name cinder.conf has the back end."""
    return _backend(host).partition("@")[2]


def smallest_gb(image: dict[str, Any], at_most: int) -> int:
    """The size of an image's volume; `at_most`, into which it fits, where Image does not say its virtual size."""
    virtual = int(image.get("virtual_size") or 0)
    if not virtual:
        return at_most
    return min(at_most, max(1, int(image.get("min_disk") or 0), -(-virtual // _GIB)))


def _changed_at(image: dict[str, Any]) -> str:
    return str(image.get("updated_at") or "")[:64]


def take(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], image: dict[str, Any]) -> Row[Any] | None:
    """The image's volume for a volume that is being made on its back end; None without one that fits and is whole.

    An entry for another state of the image is evicted.
    """
    entry = _entry(connection, row.host, image["id"], lock=True)
    if entry is None:
        return None
    if entry.image_updated_at != _changed_at(image):
        _evict(volume, connection, ctx, entry)
        return None
    source = volumes.load_any(connection, entry.volume_id)
    if source is None or source.status != "available" or source.size > row.size:
        return None
    mine = image_cache.c.volume_id == entry.volume_id
    connection.execute(sa.update(image_cache).where(mine).values(last_used_at=volume.now()))
    return source


def reserve(
    volume: Volume, connection: Connection, ctx: Context, row: Row[Any], image: dict[str, Any], job_id: str
) -> Row[Any] | None:
    """A place for an image that is not there yet: the image's volume, `creating`. The same one for the same job.

    None when another job is filling it, or when it would not fit into the cache.
    """
    entry = _entry(connection, row.host, image["id"], lock=True)
    if entry is not None:
        source = volumes.load_any(connection, entry.volume_id)
        mine = entry.job_id == job_id and source is not None and source.status == "creating"
        return source if mine else None
    size = smallest_gb(image, row.size)
    if not _make_room(volume, connection, ctx, row.host, size):
        return None
    values = {
        "size": size,
        "name": f"image-{image['id']}",
        "project_id": volume.conf.cinder_internal_tenant_project_id,
        "user_id": volume.conf.cinder_internal_tenant_user_id,
        "availability_zone": row.availability_zone,
        "service_uuid": row.service_uuid,
        "host": row.host,
        "bootable": True,
        "consumes_quota": False,
    }
    type_row = types.load(connection, row.volume_type_id)
    facts = volumes.metadata_of(row, "image")
    volume_id = volume_create.enter(volume, connection, ctx, values, type_row, image_metadata=facts)
    entered = {
        "backend": _backend(row.host),
        "image_id": image["id"],
        "volume_id": volume_id,
        "image_updated_at": _changed_at(image),
        "job_id": job_id,
        "size": size,
        "last_used_at": volume.now(),
    }
    if not insert_if_absent(connection, image_cache, entered):
        connection.execute(sa.delete(table).where(table.c.id == volume_id))  # another job was faster
        return None
    return volumes.load(connection, volume_id)


def filled(volume: Volume, connection: Connection, volume_id: str) -> None:
    """The bytes are there."""
    row = volumes.load_any(connection, volume_id, lock=True)
    if row is not None and row.status == "creating":
        at = volume.now()
        volumes.change(connection, volume_id, at, status="available", launched_at=at)


def give_up(volume: Volume, connection: Connection, ctx: Context, job_id: str) -> None:
    """What a job did not come to fill is no part of the cache."""
    unfilled = sa.select(table.c.id).where(table.c.status == "creating")
    query = sa.select(image_cache).where(image_cache.c.job_id == job_id, image_cache.c.volume_id.in_(unfilled))
    for entry in connection.execute(query).all():
        _evict(volume, connection, ctx, entry)


def _entry(connection: Connection, host: str, image_id: str, *, lock: bool) -> Row[Any] | None:
    mine = sa.and_(image_cache.c.backend == _backend(host), image_cache.c.image_id == image_id)
    query = sa.select(image_cache).where(mine)
    return connection.execute(query.with_for_update() if lock else query).first()


def _make_room(volume: Volume, connection: Connection, ctx: Context, host: str, size: int) -> bool:
    """Evict what was used longest ago until one more of this size fits. False: it never would."""
    section = _section(host)
    most_gb = int(options.of_backend(volume.conf, section, "image_volume_cache_max_size_gb"))
    most = int(options.of_backend(volume.conf, section, "image_volume_cache_max_count"))
    if most_gb and size > most_gb:
        return False
    query = sa.select(image_cache).where(image_cache.c.backend == _backend(host))
    entries = connection.execute(query.order_by(image_cache.c.last_used_at).with_for_update()).all()
    used, number = sum(entry.size for entry in entries), len(entries)
    for entry in entries:
        if (not most_gb or used + size <= most_gb) and (not most or number < most):
            break
        _evict(volume, connection, ctx, entry)
        used, number = used - entry.size, number - 1
    return True


def _evict(volume: Volume, connection: Connection, ctx: Context, entry: Row[Any]) -> None:
    """Its volume goes like any other; a clone that is being made of it finds that and asks Image."""
    connection.execute(sa.delete(image_cache).where(image_cache.c.volume_id == entry.volume_id))
    row = volumes.load_any(connection, entry.volume_id, lock=True)
    if row is not None:
        volume_delete.begin(volume, connection, ctx, row, force=True)
