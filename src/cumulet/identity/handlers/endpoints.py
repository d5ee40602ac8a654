"""`/v3/endpoints` (Identity API v3, Service catalog and endpoints)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import matching, views
from cumulet.identity.domain import endpoints
from cumulet.identity.schemas.endpoints import EndpointBody, EndpointChangesBody, EndpointQuery
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], endpoint: endpoints.Endpoint) -> dict[str, Any]:
    return views.with_self(call, "endpoints", endpoint)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoints")
    query = call.filters(EndpointQuery)
    found = endpoints.find(
        call.service, interface=query.interface, service_id=query.service_id, region_id=query.region_id
    )
    found = matching.keep(call.query(), found, "interface", "service_id", "region_id")
    return Reply(views.collection(call, "endpoints", [_view(call, endpoint) for endpoint in found], group="catalog"))


def show(call: Call[Identity], endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_endpoint")
    return Reply({"endpoint": _view(call, endpoints.show(call.service, endpoint_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_endpoint")
    given, extra = views.known_and_extra(call, "endpoint", EndpointBody)
    given.pop("id", None)
    return Reply({"endpoint": _view(call, endpoints.create(call.service, given, extra))}, 201)


def update(call: Call[Identity], endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_endpoint")
    given, extra = views.known_and_extra(call, "endpoint", EndpointChangesBody)
    views.check_changes(given, extra, endpoint_id)
    return Reply({"endpoint": _view(call, endpoints.update(call.service, endpoint_id, given, extra))})


def delete(call: Call[Identity], endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_endpoint")
    endpoints.delete(call.service, endpoint_id)
    return NO_CONTENT
