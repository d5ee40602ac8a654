"""`/v3/services` (Identity API v3, Service catalog and endpoints)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import matching, views
from cumulet.identity.domain import services
from cumulet.identity.schemas.services import ServiceBody, ServiceChangesBody, ServiceQuery
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], service: services.Service) -> dict[str, Any]:
    return views.with_self(call, "services", service)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_services")
    query = call.filters(ServiceQuery)
    found = services.find(call.service, name=query.name, type_=query.type)
    found = matching.keep(call.query(), found, "name", "type")
    return Reply(views.collection(call, "services", [_view(call, service) for service in found], group="catalog"))


def show(call: Call[Identity], service_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_service")
    return Reply({"service": _view(call, services.show(call.service, service_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_service")
    given, extra = views.known_and_extra(call, "service", ServiceBody)
    given.pop("id", None)
    return Reply({"service": _view(call, services.create(call.service, given, extra))}, 201)


def update(call: Call[Identity], service_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_service")
    given, extra = views.known_and_extra(call, "service", ServiceChangesBody)
    views.check_changes(given, extra, service_id)
    return Reply({"service": _view(call, services.update(call.service, service_id, given, extra))})


def delete(call: Call[Identity], service_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_service")
    services.delete(call.service, service_id)
    return NO_CONTENT
