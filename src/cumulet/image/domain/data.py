"""An image's data comes in: who may bring it, what state the image is in meanwhile, and how it ends.

Between the two transactions of `begin` and `finish` the image is `saving` (or `uploading`, for staging) and carries a
token of its writer. `finish` publishes the file while it holds the row's lock, right before the image becomes active:
so nobody can delete the image in between, and whoever dies leaves an image that `recovery` returns to `queued`.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from cumulet.image.domain import quotas, records
from cumulet.image.domain.records import Image
from cumulet.image.domain.status import check_formats, check_transition
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService
from cumulet.image.stores.base import Store, StoreError, StoreFull, StoreReadOnly, Writer
from cumulet.image.tables import images
from cumulet.image.transfer.inspection import Inspection, Source, Unacceptable
from cumulet.image.transfer.receiving import Received, TooLarge, receive
from cumulet.image.transfer.receiving import copy as copy_data
from cumulet.kernel.db import TransactionLost, run_again
from cumulet.kernel.errors import BadRequest, Gone, PayloadTooLarge, ServiceUnavailable, UnsupportedMediaType

LOG = logging.getLogger(__name__)
Purpose = Literal["saving", "uploading"]


@dataclass(frozen=True)
class Intake:
    """A transfer that has begun: the image as it was then, its writer's token, and how many bytes it may have."""

    image: Image
    token: str
    limit: int


def begin(
    service: ImageService, guard: Guard, image_id: str, purpose: Purpose, *, rule: str, size: int | None
) -> Intake:
    """Take the image for writing. `size` is what the client says. Raises NotFound, Forbidden, Conflict, OverQuota."""
    token = service.writers.token()
    allowance = quotas.allowance(service, guard.ctx.project_id)
    with service.db.write() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=True)
        guard.check(rule, seen)
        image = seen.image
        check_transition(image, purpose, ("queued",))
        if purpose == "saving":
            check_formats(image)
        name = quotas.SIZE_TOTAL if purpose == "saving" else quotas.STAGE_TOTAL
        allowance.check(connection, name, delta=(size or 0) // quotas.MIB)
        limit = _allowed(service, connection, image, purpose, size)
        before = copy.deepcopy(image)
        image.status = purpose
        image.writer = token
        image.updated_at = service.now()
        records.save(connection, before, image)
        _touch(service, connection, image.id, token)
        allowance.check(connection, quotas.COUNT_UPLOADING)
    return Intake(image, token, limit)


def _allowed(
    service: ImageService,
    connection: Connection,
    image: Image,
    purpose: Purpose,
    size: int | None,
) -> int:
    """Bytes that may come. Raises OverQuota for more than that announced."""
    cap: int = service.conf.image_size_cap
    if size is not None and size > cap:
        raise too_large(cap)
    if purpose == "uploading":
        return cap
    remaining = quotas.check_storage(service, connection, image.owner, size)
    return cap if remaining is None else min(cap, remaining)


def too_large(cap: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The incoming image is too large: more than {cap} bytes (image_size_cap).")


def _touch(service: ImageService, connection: Connection, image_id: str, token: str) -> bool:
    """Say that the writer lives. Whether the image is still its."""
    alive = (
        sa.update(images).where(images.c.id == image_id, images.c.writer == token).values(writer_seen_at=service.now())
    )
    return connection.execute(alive).rowcount == 1


def upload(service: ImageService, intake: Intake, store: Store, source: Source) -> None:
    """Store data for an image and make it active. Raises ApiErrors; the image is `queued` again after all but Gone."""
    image = intake.image
    inspected = Inspection(
        source,
        service.conf,
        disk_format=image.disk_format or "",
        container_format=image.container_format or "",
    )
    writer: Writer | None = None
    try:
        writer = store.writer(image.id)
        received = receive(
            inspected,
            writer,
            algorithm=service.conf.hashing_algorithm,
            limit=intake.limit,
            progress=lambda size: _keep(service, intake),
        )
        finished = writer
        run_again(lambda: _finish_upload(service, intake, store, finished, received))
    except BaseException as error:
        _give_up(service, intake, store, writer, error)
        raise _told(service, intake, error) from error


def _give_up(service: ImageService, intake: Intake, store: Store, writer: Writer | None, error: BaseException) -> None:
    """Leave neither data nor the image half written."""
    if writer is not None:
        writer.abort()
    if not isinstance(error, Gone):
        run_again(lambda: release(service, intake, store))


def _told(service: ImageService, intake: Intake, error: BaseException) -> BaseException:
    """What a client is told of what ended a transfer."""
    if isinstance(error, Unacceptable):
        return UnsupportedMediaType(str(error))
    if isinstance(error, TooLarge):
        if error.limit < service.conf.image_size_cap:
            return quotas.storage_exceeded(None, error.limit)
        return too_large(error.limit)
    if isinstance(error, StoreFull):
        return PayloadTooLarge(error.message)
    if isinstance(error, StoreReadOnly):
        return Gone("Error in store configuration. Adding images to store is disabled.")
    if isinstance(error, StoreError):
        return ServiceUnavailable(error.message)
    if isinstance(error, TransactionLost):
        # Not to be raised as it is: the request would be answered a second time, with a body that is used up.
        return ServiceUnavailable("The image's data could not be noted in the database. Upload it again.")
    return error


def _finish_upload(service: ImageService, intake: Intake, store: Store, writer: Writer, received: Received) -> None:
    with service.db.write() as connection:
        image = _own(connection, intake)
        before = copy.deepcopy(image)
        quotas.check_storage(service, connection, image.owner, received.size)
        take_in(image, store, writer.url, received, multiple=service.stores.multiple)
        image.status = "active"
        image.writer = None
        image.updated_at = service.now()
        writer.publish()
        records.save(connection, before, image)


def take_in(image: Image, store: Store, url: str, received: Received, *, multiple: bool) -> None:
    """Note on the image what was stored. Raises BadRequest when it differs from what the image says already."""
    for name in ("size", "checksum", "os_hash_value"):
        current = getattr(image, name)
        if current is not None and current != getattr(received, name):
            raise BadRequest(f"{name} of uploaded data is different from current value set on the image.")
    image.size = received.size
    image.checksum = received.checksum
    image.os_hash_algo = received.os_hash_algo
    image.os_hash_value = received.os_hash_value
    if received.virtual_size is not None:
        image.virtual_size = received.virtual_size
    image.locations.append({"url": url, "metadata": {"store": store.name} if multiple else {}})


def _own(connection: Connection, intake: Intake) -> Image:
    """The image, locked, if it is still the writer's. Raises Gone."""
    image = records.load_any(connection, intake.image.id, lock=True)
    if image is None or image.writer != intake.token:
        raise Gone(
            f"Image {intake.image.id} could not be found after upload. The image may have been deleted during the "
            "upload, cleaning up the chunks uploaded."
        )
    return image


def _keep(service: ImageService, intake: Intake) -> None:
    """During a long transfer: say that it lives, and end it when the image is gone."""
    try:
        with service.db.write() as connection:
            if not _touch(service, connection, intake.image.id, intake.token):
                _own(connection, intake)
    except (TransactionLost, DBAPIError) as error:
        LOG.warning("the upload of image %s goes on without the database: %s", intake.image.id, error)


def stage(service: ImageService, intake: Intake, source: Source) -> None:
    """Put data aside for an import. Raises ApiErrors; the image is `queued` again after all but Gone."""
    writer: Writer | None = None
    try:
        writer = service.stores.staging.writer(intake.image.id)
        size = copy_data(source, writer, limit=intake.limit, progress=lambda size: _keep(service, intake))
        finished = writer
        run_again(lambda: _finish_stage(service, intake, finished, size))
    except BaseException as error:
        _give_up(service, intake, service.stores.staging, writer, error)
        raise _told(service, intake, error) from error


def _finish_stage(service: ImageService, intake: Intake, writer: Writer, size: int) -> None:
    with service.db.write() as connection:
        image = _own(connection, intake)
        before = copy.deepcopy(image)
        image.size = size
        image.writer = None
        image.staged_on = service.node
        image.updated_at = service.now()
        writer.publish()
        records.save(connection, before, image)


def release(service: ImageService, intake: Intake, store: Store) -> None:
    """Give the image back as it was before. Where the last transaction was lost its file may be published already."""
    with service.db.write() as connection:
        image = records.load_any(connection, intake.image.id, lock=True)
        if image is not None and image.writer == intake.token:
            url = store.url_for(image.id)
            if url is not None:
                store.detach(url)()
            requeue(service, connection, image)


def requeue(service: ImageService, connection: Connection, image: Image) -> None:
    """An image without data again, as the original does when a transfer fails."""
    before = copy.deepcopy(image)
    image.status = "queued"
    image.size = image.virtual_size = None
    image.writer = image.staged_on = None
    image.updated_at = service.now()
    records.save(connection, before, image)
