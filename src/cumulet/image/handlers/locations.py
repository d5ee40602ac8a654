"""`/v2/images/{image_id}/locations` and `/v2/stores/{store}/{image_id}` (Image API v2, Locations, Stores)."""

from __future__ import annotations

from cumulet.image.bodies import read_object
from cumulet.image.domain import locations
from cumulet.image.guards import Guard
from cumulet.image.handlers import shown
from cumulet.image.schemas.locations import parse_added
from cumulet.image.service import ImageService
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def index(call: Call[ImageService], image_id: str) -> Reply:
    return Reply(locations.listed(call.service, Guard(call.service, call.ctx), image_id))


def create(call: Call[ImageService], image_id: str) -> Reply:
    url, validation = parse_added(read_object(call))
    locations.add(call.service, Guard(call.service, call.ctx), image_id, url, validation)
    return shown.nothing(202)


def delete_from_store(call: Call[ImageService], store: str, image_id: str) -> Reply:
    try:
        locations.remove_from_store(call.service, Guard(call.service, call.ctx), store, image_id)
    except NotFound as error:
        if error.message.startswith("No image found"):
            raise NotFound(f"Failed to find image {image_id}") from None
        raise
    return NO_CONTENT
