"""How much a project may hold: counted from the rows, in the transaction that adds to them.

Two ways, as in the original: `user_storage_quota` of the configuration, or the limits registered in Identity
(`use_keystone_limits`): image_size_total and image_stage_total in MiB, image_count_total, image_count_uploading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.image.domain.records import digest
from cumulet.image.service import ImageService
from cumulet.image.tables import image_properties, images, quota_locks
from cumulet.kernel.db import TransactionLost
from cumulet.kernel.errors import PayloadTooLarge

MIB = 1 << 20
SIZE_TOTAL = "image_size_total"
STAGE_TOTAL = "image_stage_total"
COUNT_TOTAL = "image_count_total"
COUNT_UPLOADING = "image_count_uploading"
NAMES = (SIZE_TOTAL, STAGE_TOTAL, COUNT_TOTAL, COUNT_UPLOADING)
_UPLOADING = ("saving", "uploading", "importing")
_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_AMOUNT = re.compile(r"^\s*(\d+)\s*([KMGT]?B)?\s*$", re.IGNORECASE)


class OverQuota(PayloadTooLarge):
    """413 with the reason, as the original refuses what exceeds a quota."""


def storage_quota(service: ImageService) -> int | None:
    """Bytes a project may store, None without a limit. The unit follows the number, as in `1TB`."""
    if service.conf.use_keystone_limits:
        return None
    match = _AMOUNT.match(service.conf.user_storage_quota)
    if match is None:
        raise ValueError(f"user_storage_quota: {service.conf.user_storage_quota!r} is not a number of bytes")
    return int(match[1]) * _UNITS[(match[2] or "").upper()] or None


def remaining_storage(service: ImageService, connection: Connection, owner: str | None) -> int | None:
    """Bytes the owner may still store, None for any number. The owner's count is locked until the transaction ends."""
    quota = storage_quota(service)
    if quota is None:
        return None
    lock(connection, owner)
    return max(0, quota - stored_bytes(connection, owner))


def check_storage(service: ImageService, connection: Connection, owner: str | None, size: int | None) -> int | None:
    """The bytes that remain. Raises OverQuota when `size` (None: not known yet) does not fit."""
    remaining = remaining_storage(service, connection, owner)
    if remaining is not None and (remaining <= 0 if size is None else size > remaining):
        raise storage_exceeded(size, remaining)
    return remaining


def storage_exceeded(size: int | None, remaining: int) -> OverQuota:
    return OverQuota(
        "Image exceeds the storage quota: The size of the data "
        f"{'unknown' if size is None else size} will exceed the limit. {remaining} bytes remaining."
    )


def lock(connection: Connection, owner: str | None) -> None:
    """Let the changes that count for an owner take turns."""
    row = sa.select(quota_locks).where(quota_locks.c.owner == (owner or "")).with_for_update()
    if connection.execute(row).first() is not None:
        return
    try:
        connection.execute(sa.insert(quota_locks).values(owner=owner or ""))
    except IntegrityError as error:
        # Another made it this instant: from the start, with his row.
        raise TransactionLost(str(error.orig)) from error


def stored_bytes(connection: Connection, owner: str | None) -> int:
    """Every location of an image counts, as each is a copy."""
    total = sa.select(sa.func.sum(images.c.size * images.c.location_count)).where(
        images.c.owner == owner, images.c.size > 0, images.c.status.not_in(("killed", "deleted", "pending_delete"))
    )
    return int(connection.execute(total).scalar() or 0)


def staged_bytes(connection: Connection, owner: str | None) -> int:
    staged = sa.select(sa.func.sum(images.c.size)).where(
        images.c.owner == owner, images.c.size > 0, sa.or_(images.c.status.in_(_UPLOADING[1:]), _is_copied())
    )
    return int(connection.execute(staged).scalar() or 0)


def image_count(connection: Connection, owner: str | None) -> int:
    counted = sa.select(sa.func.count()).where(images.c.owner == owner, images.c.status != "killed")
    return int(connection.execute(counted).scalar_one())


def uploading_count(connection: Connection, owner: str | None) -> int:
    counted = sa.select(sa.func.count()).where(
        images.c.owner == owner, sa.or_(images.c.status.in_(_UPLOADING), _is_copied())
    )
    return int(connection.execute(counted).scalar_one())


def _is_copied() -> sa.ColumnElement[bool]:
    """Images whose list of stores that are being imported to is not empty."""
    name = "os_glance_importing_to_stores"
    busy = sa.select(image_properties.c.image_id).where(
        image_properties.c.name == name, image_properties.c.digest != digest(name, "")
    )
    return images.c.id.in_(busy)


_USAGE: dict[str, Callable[[Connection, str | None], int]] = {
    SIZE_TOTAL: lambda connection, owner: stored_bytes(connection, owner) // MIB,
    STAGE_TOTAL: lambda connection, owner: staged_bytes(connection, owner) // MIB,
    COUNT_TOTAL: image_count,
    COUNT_UPLOADING: uploading_count,
}


class Allowance:
    """What Identity allows one project, asked before the transaction in which it is checked."""

    def __init__(self, project_id: str, limits: Mapping[str, int]) -> None:
        self._project_id = project_id
        self._limits = limits

    def check(self, connection: Connection, name: str, *, delta: int = 0) -> None:
        """Raises OverQuota when the usage and `delta` exceed the limit."""
        limit = self._limits.get(name, -1)
        if limit < 0:
            return
        lock(connection, self._project_id)
        usage = _USAGE[name](connection, self._project_id)
        if usage + delta > limit:
            raise OverQuota(
                f"Project {self._project_id} is over a limit for [Resource {name} is over limit of {limit} due to "
                f"current usage {usage} and delta {delta}]"
            )


def allowance(service: ImageService, project_id: str | None) -> Allowance:
    """Raises ServiceUnavailable when Identity does not tell."""
    if service.limits is None or project_id is None:
        return Allowance("", {})
    return Allowance(project_id, service.limits.of(project_id))


def usage(service: ImageService, project_id: str) -> dict[str, dict[str, int]]:
    """What `/v2/info/usage` shows; empty without limits in Identity."""
    if service.limits is None:
        return {}
    known = service.limits.of(project_id)
    with service.db.read() as connection:
        return {name: {"usage": _USAGE[name](connection, project_id), "limit": known.get(name, 0)} for name in NAMES}
