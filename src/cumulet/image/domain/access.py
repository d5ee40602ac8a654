"""Finding one image for a caller who may do something with it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.image.domain import records
from cumulet.image.domain.records import Seen
from cumulet.image.errors import image_not_found
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService


def show(service: ImageService, guard: Guard, image_id: str, rule: str = "get_image") -> Seen:
    """Raises NotFound, Forbidden."""
    with service.db.read() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin)
    guard.check(rule, seen)
    return seen


def show_row(service: ImageService, guard: Guard, image_id: str) -> Row[Any]:
    """The row of `records.SHOWN`, for an answer that needs no more of the image. Raises NotFound."""
    with service.db.read() as connection:
        row = records.load_shown(connection, guard.ctx, image_id, is_admin=guard.is_admin)
    if not guard.visible_rows([row]):
        raise image_not_found(image_id)
    return row
