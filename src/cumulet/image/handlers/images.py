"""`/v2/images` and `/v2/images/{image_id}` (Image API v2, Images)."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from cumulet.image.bodies import read_json, read_object
from cumulet.image.domain import access, images, listing, tasks
from cumulet.image.domain.records import SHOWN_NAMES
from cumulet.image.guards import Guard
from cumulet.image.handlers import shown
from cumulet.image.schemas import listing as query_schema
from cumulet.image.schemas import patches
from cumulet.image.schemas.images import ImageSchema
from cumulet.image.service import ImageService
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_encode = msgspec.json.Encoder().encode


def index(call: Call[ImageService]) -> Reply:
    service = call.service
    guard = Guard(service, call.ctx)
    service.policy.can(call.ctx, "get_images", {"project_id": call.ctx.project_id})
    raw = call.query()
    query = query_schema.parse(raw)
    limit = min(service.conf.api_limit_max, service.conf.limit_param_default if query.limit is None else query.limit)
    with service.db.read() as connection:
        rows = listing.find(connection, call.ctx, query, limit=limit, is_admin=guard.is_admin)
    # The page may hold fewer images than rows, but another follows only a full page of rows.
    marker = str(rows[-1][0]) if rows and len(rows) == limit else None
    return Reply(_collection(raw, shown.rows(service, call.ctx, guard.visible_rows(rows)), marker))


def _collection(raw: dict[str, list[str]], found: list[bytes], marker: str | None) -> bytes:
    """`{"images": […], "first", "schema", "next"}`: the links repeat the query with another marker."""
    plain = {name: values[-1] for name, values in raw.items() if name != "marker"}
    first = "/v2/images" + (f"?{urlencode(plain)}" if plain else "")
    links = {"first": first, "schema": "/v2/schemas/images"}
    if marker is not None:
        links["next"] = f"/v2/images?{urlencode({**plain, 'marker': marker})}"
    end = b"]," + _encode(links)[1:]
    if not found:
        return b'{"images":[' + end
    # The ends are put to small pieces, so that the whole is copied once.
    found[0] = b'{"images":[' + found[0]
    found[-1] += end
    return b",".join(found)


def show(call: Call[ImageService], image_id: str) -> Reply:
    row = access.show_row(call.service, Guard(call.service, call.ctx), image_id)
    return Reply(shown.rows(call.service, call.ctx, [row])[0])


def create(call: Call[ImageService]) -> Reply:
    service = call.service
    attributes, properties = ImageSchema(service.conf).new(read_object(call))
    image, row = images.create(service, Guard(service, call.ctx), attributes, properties)
    headers = {"Location": f"{call.base_url}/v2/images/{image.id}"}
    if service.conf.enabled_import_methods:
        headers["OpenStack-image-import-methods"] = ",".join(service.conf.enabled_import_methods)
    if service.stores.multiple:
        headers["OpenStack-image-store-ids"] = ",".join(service.stores.by_name)
    return Reply(service.view.row(tuple(row[name] for name in SHOWN_NAMES)), 201, headers)


def update(call: Call[ImageService], image_id: str) -> Reply:
    service = call.service
    draft = patches.draft_of(call.req.content_type)
    changes = patches.parse(read_json(call), draft, ImageSchema(service.conf))
    image = images.update(service, Guard(service, call.ctx), image_id, changes)
    return Reply(shown.image(service, call.ctx, image))


def delete(call: Call[ImageService], image_id: str) -> Reply:
    try:
        images.delete(call.service, Guard(call.service, call.ctx), image_id)
    except NotFound:
        raise NotFound(f"Failed to find image {image_id} to delete") from None
    return NO_CONTENT


def deactivate(call: Call[ImageService], image_id: str) -> Reply:
    images.deactivate(call.service, Guard(call.service, call.ctx), image_id)
    return NO_CONTENT


def reactivate(call: Call[ImageService], image_id: str) -> Reply:
    images.reactivate(call.service, Guard(call.service, call.ctx), image_id)
    return NO_CONTENT


def list_tasks(call: Call[ImageService], image_id: str) -> Reply:
    access.show(call.service, Guard(call.service, call.ctx), image_id)
    return Reply({"tasks": [shown.image_task(task) for task in tasks.of_image(call.service, image_id)]})
