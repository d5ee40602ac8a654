"""`POST /v2/images/{image_id}/import` (Image API v2, Interoperable image import)."""

from __future__ import annotations

from cumulet.image.bodies import read_object
from cumulet.image.domain import imports
from cumulet.image.guards import Guard
from cumulet.image.handlers import shown
from cumulet.image.schemas.imports import parse_import
from cumulet.image.service import ImageService
from cumulet.kernel.http import Call, Reply


def create(call: Call[ImageService], image_id: str) -> Reply:
    request = parse_import(read_object(call), call.service.conf.enabled_import_methods)
    header = call.header("X-Image-Meta-Store")
    imports.start(call.service, Guard(call.service, call.ctx), image_id, request, store_header=header)
    return shown.nothing(202)
