"""Members: the projects that a shared image is shared with, and what they say to it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.image.domain import records
from cumulet.image.domain.records import Seen
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService
from cumulet.image.tables import image_members as table
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, PayloadTooLarge

STATUSES = ("pending", "accepted", "rejected")
Member = dict[str, Any]
"""{"image_id", "member_id", "status", "created_at", "updated_at"}"""


def _member(row: Row[Any]) -> Member:
    return dict(row._mapping)


def _shared(
    connection: Connection, guard: Guard, image_id: str, rule: str, refusal: str, *, lock: bool = False
) -> Seen:
    """The image, seen and shared. Raises NotFound, Forbidden with the sentence of the operation."""
    try:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin, lock=lock)
    except NotFound:
        raise NotFound(f"Image {image_id} not found.") from None
    if seen.image.visibility != "shared":
        raise Forbidden(refusal.format(reason="Only shared images have members."))
    guard.check(rule, seen)
    return seen


def find(service: ImageService, guard: Guard, image_id: str) -> list[Member]:
    """The owner and administrators see all members, a member sees itself. Raises NotFound, Forbidden."""
    refusal = f"Not allowed to list members for image {image_id}: {{reason}}"
    query = sa.select(table).where(table.c.image_id == image_id).order_by(table.c.created_at, table.c.member_id)
    with service.db.read() as connection:
        seen = _shared(connection, guard, image_id, "get_members", refusal)
        if seen.member_id is not None:
            query = query.where(table.c.member_id == seen.member_id)
        return [_member(row) for row in connection.execute(query)]


def show(service: ImageService, guard: Guard, image_id: str, member_id: str) -> Member:
    """Raises NotFound, also for what is forbidden: members are nobody else's business."""
    with service.db.read() as connection:
        try:
            seen = _shared(connection, guard, image_id, "get_member", "{reason}")
        except Forbidden as error:
            raise NotFound(error.message) from None
        if seen.member_id not in (None, member_id):
            raise _not_found(image_id, member_id)
        return _load(connection, image_id, member_id)


def _not_found(image_id: str, member_id: str) -> NotFound:
    return NotFound(f"{member_id} not found in the member list of the image {image_id}.")


def _load(connection: Connection, image_id: str, member_id: str) -> Member:
    query = sa.select(table).where(table.c.image_id == image_id, table.c.member_id == member_id)
    row = connection.execute(query).first()
    if row is None:
        raise _not_found(image_id, member_id)
    return _member(row)


def create(service: ImageService, guard: Guard, image_id: str, member_id: str) -> Member:
    """Raises NotFound, Forbidden, Conflict for one there already, PayloadTooLarge for the quota."""
    now = service.now()
    member = {"image_id": image_id, "member_id": member_id, "status": "pending", "created_at": now, "updated_at": now}
    refusal = f"Not allowed to create members for image {image_id}."
    try:
        with service.db.write() as connection:
            _shared(connection, guard, image_id, "add_member", refusal, lock=True)
            _check_quota(service, connection, image_id)
            connection.execute(sa.insert(table).values(**member))
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(f"Member {member_id} is duplicated for image {image_id}") from None
        raise
    return member


def _check_quota(service: ImageService, connection: Connection, image_id: str) -> None:
    maximum = service.conf.image_member_quota
    if maximum < 0:
        return
    counted = sa.select(sa.func.count()).where(table.c.image_id == image_id)
    attempted = connection.execute(counted).scalar_one() + 1
    if attempted > maximum:
        raise PayloadTooLarge(
            f"Image member limit exceeded for image {image_id}: The limit has been exceeded on the number of allowed "
            f"image members for this image. Attempted: {attempted}, Maximum: {maximum}:"
        )


def update(service: ImageService, guard: Guard, image_id: str, member_id: str, status: Any) -> Member:
    """Only the member itself (or an administrator) answers. Raises NotFound, Forbidden, BadRequest."""
    refusal = f"Not allowed to update members for image {image_id}."
    with service.db.write() as connection:
        seen = _shared(connection, guard, image_id, "get_member", refusal, lock=True)
        if seen.member_id not in (None, member_id):
            raise _not_found(image_id, member_id)
        member = _load(connection, image_id, member_id)
        guard.check("modify_member", seen)
        if status not in STATUSES:
            raise BadRequest('Incorrect request: Status must be "pending", "accepted" or "rejected".')
        changed = {"status": status, "updated_at": service.now()}
        connection.execute(
            sa.update(table).where(table.c.image_id == image_id, table.c.member_id == member_id).values(**changed)
        )
    return {**member, **changed}


def delete(service: ImageService, guard: Guard, image_id: str, member_id: str) -> None:
    """Raises NotFound, Forbidden."""
    refusal = f"Not allowed to delete members for image {image_id}."
    with service.db.write() as connection:
        seen = _shared(connection, guard, image_id, "get_member", refusal, lock=True)
        if seen.member_id not in (None, member_id):
            raise _not_found(image_id, member_id)
        _load(connection, image_id, member_id)
        guard.check("delete_member", seen)
        connection.execute(sa.delete(table).where(table.c.image_id == image_id, table.c.member_id == member_id))
