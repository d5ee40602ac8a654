"""What dead writers left behind: images that nobody fills any more, and files that nobody finishes."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from cumulet.image.domain import data, records
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Store
from cumulet.image.tables import images

LOG = logging.getLogger(__name__)
# How long a writer may be silent before it counts as dead: on another host, and in a process here that lives on.
_SILENCE_US, _SILENCE_HERE_US = 1800_000_000, 6 * 3600_000_000
_FILE_AGE_S = 60.0


def recover(service: ImageService) -> int:
    """Return images whose writer is dead to `queued`, and remove unfinished files. Returns how many images."""
    with service.db.read() as connection:
        found = connection.execute(
            sa.select(images.c.id, images.c.writer, images.c.writer_seen_at).where(
                images.c.status.in_(("saving", "uploading")), images.c.writer.is_not(None)
            )
        ).all()
    dead = [row for row in found if _is_dead(service, row.writer, row.writer_seen_at)]
    for row in dead:
        _requeue(service, row.id, row.writer)
    for store in service.stores.all():
        removed = store.sweep(older_than_s=_FILE_AGE_S)
        if removed:
            LOG.info("removed %d unfinished files of the store %s", removed, store.name)
    return len(dead)


def _is_dead(service: ImageService, token: str, seen_at: int | None) -> bool:
    """On this machine a process is seen to be dead at once; of others only their silence is known."""
    if service.writers.is_dead(token):
        return True
    here = _machine(token) == _machine(service.writers.token())
    return (seen_at or 0) < service.now() - (_SILENCE_HERE_US if here else _SILENCE_US)


def _machine(token: str) -> str:
    """The machine in a token of `kernel.jobs.owner`: `<host>/<machine>/<process>#<number>`."""
    return token.rpartition("#")[0].rpartition("/")[0].rpartition("/")[2]


def _requeue(service: ImageService, image_id: str, token: str) -> None:
    with service.db.write() as connection:
        image = records.load_any(connection, image_id, lock=True)
        if image is None or image.writer != token:
            return
        # The writer may have died between publishing its file and becoming active: that file is nobody's.
        stores: list[Store] = [service.stores.staging]
        if image.status == "saving":
            stores = list(service.stores.by_name.values())
        for store in stores:
            url = store.url_for(image_id)
            if url is not None:
                store.detach(url)()
        data.requeue(service, connection, image)
        LOG.warning("image %s is queued again: its writer is dead", image_id)
