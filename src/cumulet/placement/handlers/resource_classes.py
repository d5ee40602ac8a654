"""`/resource_classes`."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import Conflict
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.placement.domain import resource_classes
from cumulet.placement.http import answer, convert, href, location, read_body, require_acceptable, require_json
from cumulet.placement.schemas.resource_classes import Named
from cumulet.placement.service import Placement


def _path(name: str) -> str:
    return f"/resource_classes/{name}"


def _view(call: Call[Placement], name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": href(call, _path(name))}]}


def index(call: Call[Placement]) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_classes:list")
    found = resource_classes.find(call.service)
    modified_at = max((row.updated_at for row in found), default=None)
    return answer(call, {"resource_classes": [_view(call, row.name) for row in found]}, modified_at)


def show(call: Call[Placement], name: str) -> Reply:
    require_acceptable(call)
    call.service.policy.can(call.ctx, "placement:resource_classes:show")
    row = resource_classes.show(call.service, name)
    return answer(call, _view(call, row.name), row.updated_at)


def create(call: Call[Placement]) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_classes:create")
    name = read_body(call, Named).name
    if not resource_classes.create(call.service, name):
        raise Conflict(f"Conflicting resource class already exists: {name}")
    return Reply(status=201, headers=location(call, _path(name)))


def rename(call: Call[Placement], name: str) -> Reply:
    require_json(call)
    call.service.policy.can(call.ctx, "placement:resource_classes:update")
    new_name = read_body(call, Named).name
    resource_classes.rename(call.service, name, new_name)
    return Reply(_view(call, new_name))


def ensure(call: Call[Placement], name: str) -> Reply:
    """Since 1.7: make the class if it is not there. No body."""
    call.service.policy.can(call.ctx, "placement:resource_classes:update")
    convert({"name": name}, Named)
    is_new = resource_classes.create(call.service, name)
    return Reply(status=201 if is_new else 204, headers=location(call, _path(name)))


def delete(call: Call[Placement], name: str) -> Reply:
    call.service.policy.can(call.ctx, "placement:resource_classes:delete")
    resource_classes.delete(call.service, name)
    return NO_CONTENT
