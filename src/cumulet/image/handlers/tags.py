"""`/v2/images/{image_id}/tags/{tag}` (Image API v2, Image tags)."""

from __future__ import annotations

from cumulet.image.domain import images
from cumulet.image.guards import Guard
from cumulet.image.schemas.images import ImageSchema
from cumulet.image.service import ImageService
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def update(call: Call[ImageService], image_id: str, tag: str) -> Reply:
    ImageSchema(call.service.conf).attributes({"tags": [tag]})
    try:
        images.add_tag(call.service, Guard(call.service, call.ctx), image_id, tag)
    except NotFound:
        raise NotFound(f"Image {image_id} not found.") from None
    return NO_CONTENT


def delete(call: Call[ImageService], image_id: str, tag: str) -> Reply:
    try:
        found = images.remove_tag(call.service, Guard(call.service, call.ctx), image_id, tag)
    except NotFound:
        raise NotFound(f"Image {image_id} not found.") from None
    if not found:
        raise NotFound("The resource could not be found.")
    return NO_CONTENT
