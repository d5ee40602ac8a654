"""Finding one image for a caller who may do something with it."""

from __future__ import annotations

from cumulet.image.domain import records
from cumulet.image.domain.records import Seen
from cumulet.image.guards import Guard
from cumulet.image.service import ImageService


def show(service: ImageService, guard: Guard, image_id: str, rule: str = "get_image") -> Seen:
    """Raises NotFound, Forbidden."""
    with service.db.read() as connection:
        seen = records.load(connection, guard.ctx, image_id, is_admin=guard.is_admin)
    guard.check(rule, seen)
    return seen
