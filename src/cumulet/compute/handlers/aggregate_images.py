"""`POST /v2.1/os-aggregates/{id}/images` since 2.81 (Compute API, Request image pre-caching for aggregate)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cumulet.compute import peers
from cumulet.compute.bodies import read
from cumulet.compute.domain import aggregate_images, aggregates
from cumulet.compute.schemas.servers import Uuid
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply


class _Image(Struct, forbid_unknown_fields=True):
    id: Uuid


class _Body(Struct, forbid_unknown_fields=True):
    cache: Annotated[list[_Image], Meta(min_length=1, max_length=64)]


def create(call: Call[Compute], aggregate_id: str) -> Reply:
    """Each host fetches in its own time; the answer does not wait."""
    call.service.policy.can(call.ctx, "compute:aggregates:images", {})
    ids = [one.id for one in read(call, _Body).cache]
    if not aggregate_id.isdigit():
        raise BadRequest("Invalid input received: id must be an integer")
    if len(set(ids)) < len(ids):
        raise BadRequest("Duplicate images in request")
    with call.service.db.read() as connection:
        hosts = aggregates.load(connection, aggregate_id)["hosts"]
    for image_id in ids:
        answer = peers.ask(call, "image", "GET", f"/v2/images/{image_id}")
        if answer.status in (403, 404):
            raise BadRequest(f"Image {image_id} could not be found.")
        peers.require(answer)
    aggregate_images.request(call.service, call.ctx, hosts, ids)
    return Reply(status=202)
