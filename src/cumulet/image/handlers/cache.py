"""`/v2/cache` (Image API v2, Cache management)."""

from __future__ import annotations

from cumulet.image.domain import cache, records
from cumulet.image.domain.records import Seen
from cumulet.image.guards import Guard
from cumulet.image.handlers import shown
from cumulet.image.service import ImageService
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _allow(call: Call[ImageService], rule: str, seen: Seen | None = None) -> None:
    """Raises Forbidden, or NotFound where there is no cache."""
    call.service.policy.can(
        call.ctx, rule, seen.target() if seen is not None else None, message="Access was denied to this resource."
    )
    if call.service.cache is None:
        raise NotFound("Caching via API is not supported at this site.")


def _image(call: Call[ImageService], image_id: str) -> Seen:
    guard = Guard(call.service, call.ctx)
    try:
        with call.service.db.read() as connection:
            return records.load(connection, call.ctx, image_id, is_admin=guard.is_admin)
    except NotFound:
        raise NotFound(f"Image {image_id} not found.") from None


def index(call: Call[ImageService]) -> Reply:
    _allow(call, "cache_list")
    return Reply(cache.state(call.service))


def queue(call: Call[ImageService], image_id: str) -> Reply:
    seen = _image(call, image_id)
    _allow(call, "cache_image", seen)
    if seen.image.status != "active":
        raise BadRequest("Only images with status active can be targeted for queueing")
    cache.queue(call.service, image_id)
    return shown.nothing(202)


def delete(call: Call[ImageService], image_id: str) -> Reply:
    _allow(call, "cache_delete")
    if not cache.is_known(call.service, image_id):
        _image(call, image_id)
    cache.remove(call.service, [image_id])
    return NO_CONTENT


def clear(call: Call[ImageService]) -> Reply:
    _allow(call, "cache_delete")
    target = (call.header("X-Image-Cache-Clear-Target") or "").lower()
    if target not in ("", "cache", "queue"):
        raise BadRequest("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
    cache.clear(call.service, files=target != "queue", queued=target != "cache")
    return NO_CONTENT


def nodes(call: Call[ImageService], image_id: str) -> Reply:
    _allow(call, "list_cached_nodes")
    if call.service.conf.image_cache_driver != "centralized_db":
        raise Conflict("Centralized caching is not enabled")
    _image(call, image_id)
    return Reply(cache.nodes(call.service, image_id))


def clean(call: Call[ImageService]) -> Reply:
    _allow(call, "cache_clean")
    cache.clean(call.service)
    return shown.nothing(200)


def prune(call: Call[ImageService]) -> Reply:
    _allow(call, "cache_prune")
    files, size = cache.prune(call.service)
    return Reply({"total_files_pruned": files, "total_bytes_pruned": size})
