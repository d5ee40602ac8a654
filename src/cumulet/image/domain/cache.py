"""The cache of images on one host ([DEFAULT] image_cache_dir): copies of what slower stores hold.

A row of `cached_images` says what a host has cached or is to cache; the files are a `FileStore` of their own. An image
that is downloaded and not cached yet is queued, so that the next download is quick.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.image.domain.records import Image
from cumulet.image.service import ImageService
from cumulet.image.stores.base import DataNotFound, Reader
from cumulet.image.tables import cached_images as table
from cumulet.image.tables import images, jobs
from cumulet.kernel import jobs as kernel_jobs

CACHE_IMAGE = "cache-image"
"""The kind of job; its payload is `{"node"}`, its subject the image."""


def _here(service: ImageService) -> sa.ColumnElement[bool]:
    return table.c.node == service.node


def state(service: ImageService) -> dict[str, list[Any]]:
    """`{"cached_images": […], "queued_images": [ids]}` of this host."""
    with service.db.read() as connection:
        rows = connection.execute(sa.select(table).where(_here(service)).order_by(table.c.last_modified)).all()
    cached = [
        {
            "image_id": row.image_id,
            "hits": row.hits,
            "last_accessed": row.last_accessed / 1e6,
            "last_modified": row.last_modified / 1e6,
            "size": row.size,
            "checksum": row.checksum,
        }
        for row in rows
        if row.cached
    ]
    return {"cached_images": cached, "queued_images": [row.image_id for row in rows if not row.cached]}


def is_known(service: ImageService, image_id: str) -> bool:
    with service.db.read() as connection:
        found = connection.execute(sa.select(table.c.node).where(_here(service), table.c.image_id == image_id)).first()
    return found is not None


def queue(service: ImageService, image_id: str) -> None:
    """Have a job cache an image; one that is cached or queued already is left alone."""
    with service.db.write() as connection:
        if connection.execute(
            sa.select(table.c.node).where(_here(service), table.c.image_id == image_id).with_for_update()
        ).first():
            return
        now = service.now()
        connection.execute(
            sa.insert(table).values(
                node=service.node, image_id=image_id, cached=False, last_accessed=now, last_modified=now
            )
        )
        payload = {"node": service.node}
        key = f"{service.node}:{image_id}"
        kernel_jobs.enqueue(connection, jobs, CACHE_IMAGE, payload, subject=image_id, key=key[-255:])
    service.wake()


def open_cached(service: ImageService, image: Image, *, offset: int, length: int | None) -> Reader | None:
    """The cached data of an image; None, with the image queued, where there is none."""
    if service.cache is None:
        return None
    with service.db.write() as connection:
        hit = connection.execute(
            sa.update(table)
            .where(_here(service), table.c.image_id == image.id, table.c.cached, table.c.checksum == image.checksum)
            .values(hits=table.c.hits + 1, last_accessed=service.now())
        )
    if hit.rowcount:
        try:
            return service.cache.open(service.cache.url_for(image.id), offset=offset, length=length)
        except DataNotFound:
            remove(service, [image.id])
    queue(service, image.id)
    return None


def cached(service: ImageService, connection: Connection, image: Image, size: int) -> None:
    """Note that an image's data is in the cache."""
    now = service.now()
    connection.execute(
        sa.update(table)
        .where(_here(service), table.c.image_id == image.id)
        .values(cached=True, size=size, checksum=image.checksum, last_accessed=now, last_modified=now)
    )


def remove(service: ImageService, image_ids: list[str]) -> None:
    """From cache and queue."""
    with service.db.write() as connection:
        connection.execute(sa.delete(table).where(_here(service), table.c.image_id.in_(image_ids)))
    _drop_files(service, image_ids)


def _drop_files(service: ImageService, image_ids: list[str]) -> None:
    if service.cache is not None:
        for image_id in image_ids:
            service.cache.detach(service.cache.url_for(image_id))()


def clear(service: ImageService, *, files: bool, queued: bool) -> None:
    wanted = [flag for flag, chosen in ((True, files), (False, queued)) if chosen]
    query = sa.select(table.c.image_id).where(_here(service), table.c.cached.in_(wanted))
    with service.db.read() as connection:
        found = list(connection.execute(query).scalars())
    remove(service, found)


def nodes(service: ImageService, image_id: str) -> list[str]:
    """The hosts that have an image cached."""
    query = sa.select(table.c.node).where(table.c.image_id == image_id, table.c.cached).order_by(table.c.node)
    with service.db.read() as connection:
        return list(connection.execute(query).scalars())


def clean(service: ImageService) -> None:
    """Drop entries of images that are gone, queue entries that stall, and unfinished files."""
    stalled = service.now() - service.conf.image_cache_stall_time * 1_000_000
    known = sa.select(images.c.id)
    query = sa.select(table.c.image_id).where(
        _here(service),
        sa.or_(table.c.image_id.not_in(known), sa.and_(sa.not_(table.c.cached), table.c.last_modified < stalled)),
    )
    with service.db.read() as connection:
        found = list(connection.execute(query).scalars())
    remove(service, found)
    if service.cache is not None:
        service.cache.sweep(older_than_s=service.conf.image_cache_stall_time)


def prune(service: ImageService) -> tuple[int, int]:
    """Drop the least lately used entries until the cache is as large as it may be. Returns (files, bytes) dropped."""
    query = sa.select(table.c.image_id, table.c.size).where(_here(service), table.c.cached)
    with service.db.read() as connection:
        rows = connection.execute(query.order_by(table.c.last_accessed)).all()
    excess = sum(row.size for row in rows) - service.conf.image_cache_max_size
    dropped: list[str] = []
    freed = 0
    for row in rows:
        if freed >= excess:
            break
        dropped.append(row.image_id)
        freed += row.size
    if dropped:
        remove(service, dropped)
    return len(dropped), freed
