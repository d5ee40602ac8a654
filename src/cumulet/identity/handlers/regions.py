"""`/v3/regions` (Identity API v3, Regions)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import regions
from cumulet.identity.schemas.regions import RegionBody, RegionQuery
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.kernel.ids import hex_id


def _view(call: Call[Identity], region: dict[str, Any]) -> dict[str, Any]:
    return views.with_self(call, "regions", region)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_regions")
    query = call.filters(RegionQuery)
    found = regions.find(call.service, parent_region_id=query.parent_region_id)
    return Reply(views.collection(call, "regions", [_view(call, region) for region in found], group="catalog"))


def show(call: Call[Identity], region_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_region")
    return Reply({"region": _view(call, regions.show(call.service, region_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_region")
    return _create(call, None)


def create_with_id(call: Call[Identity], region_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_region")
    return _create(call, region_id)


def _create(call: Call[Identity], region_id: str | None) -> Reply:
    given, extra = views.known_and_extra(call, "region", RegionBody)
    named = given.pop("id", None)
    if region_id is not None and named is not None and named != region_id:
        raise BadRequest(f'Conflicting region IDs specified (id): "{region_id}" != "{named}"')
    region = regions.create(call.service, region_id or named or hex_id(), given, extra)
    return Reply({"region": _view(call, region)}, 201)


def update(call: Call[Identity], region_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_region")
    given, extra = views.known_and_extra(call, "region", RegionBody)
    views.check_changes(given, extra, region_id)
    return Reply({"region": _view(call, regions.update(call.service, region_id, given, extra))})


def delete(call: Call[Identity], region_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_region")
    regions.delete(call.service, region_id)
    return NO_CONTENT
