"""`/v3/OS-EP-FILTER/endpoint_groups` (Identity API v3, OS-EP-FILTER)."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity import views
from cumulet.identity.domain import endpoint_groups
from cumulet.identity.domain.endpoints import endpoint_of
from cumulet.identity.schemas.endpoint_groups import EndpointGroupBody, EndpointGroupChangesBody, EndpointGroupQuery
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def view(call: Call[Identity], group: endpoint_groups.EndpointGroup) -> dict[str, Any]:
    return views.with_self(call, "OS-EP-FILTER/endpoint_groups", group)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoint_groups")
    found = endpoint_groups.find(call.service, name=call.filters(EndpointGroupQuery).name)
    return Reply(views.collection(call, "endpoint_groups", [view(call, group) for group in found], group="catalog"))


def show(call: Call[Identity], endpoint_group_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_endpoint_group")
    return Reply({"endpoint_group": view(call, endpoint_groups.show(call.service, endpoint_group_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_endpoint_group")
    given = msgspec.to_builtins(call.json(EndpointGroupBody).endpoint_group)
    _check_filters(given)
    return Reply({"endpoint_group": view(call, endpoint_groups.create(call.service, given))}, 201)


def update(call: Call[Identity], endpoint_group_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_endpoint_group")
    given = msgspec.to_builtins(call.json(EndpointGroupChangesBody).endpoint_group)
    views.check_changes(given, {}, endpoint_group_id)
    _check_filters(given)
    return Reply({"endpoint_group": view(call, endpoint_groups.update(call.service, endpoint_group_id, given))})


def _check_filters(given: dict[str, Any]) -> None:
    if "filters" in given and not given["filters"]:
        raise BadRequest("Invalid input for field 'endpoint_group.filters': it is required and cannot be empty.")


def delete(call: Call[Identity], endpoint_group_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_endpoint_group")
    endpoint_groups.delete(call.service, endpoint_group_id)
    return NO_CONTENT


def endpoints_of(call: Call[Identity], endpoint_group_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoints_associated_with_endpoint_group")
    rows = endpoint_groups.endpoints_of(call.service, endpoint_group_id)
    found = [views.with_self(call, "endpoints", endpoint_of(row)) for row in rows]
    return Reply(views.collection(call, "endpoints", found))
