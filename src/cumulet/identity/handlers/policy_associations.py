"""`/v3/policies/{id}/OS-ENDPOINT-POLICY/…` (Identity API v3, OS-ENDPOINT-POLICY): which policy an endpoint has."""

from __future__ import annotations

from cumulet.identity import views
from cumulet.identity.domain import policy_associations
from cumulet.identity.domain.endpoints import endpoint_of
from cumulet.identity.domain.policy_associations import Place
from cumulet.identity.handlers import policies
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _authorize(call: Call[Identity], verb: str, place: Place) -> None:
    kind = "endpoint" if place.endpoint_id else "region_and_service" if place.region_id else "service"
    call.service.policy.can(call.ctx, f"identity:{verb}_policy_association_for_{kind}")


def check(call: Call[Identity], policy_id: str, **ids: str) -> Reply:
    place = Place(**ids)
    _authorize(call, "check", place)
    policy_associations.check(call.service, policy_id, place)
    return NO_CONTENT


def create(call: Call[Identity], policy_id: str, **ids: str) -> Reply:
    place = Place(**ids)
    _authorize(call, "create", place)
    policy_associations.create(call.service, policy_id, place)
    return NO_CONTENT


def delete(call: Call[Identity], policy_id: str, **ids: str) -> Reply:
    place = Place(**ids)
    _authorize(call, "delete", place)
    policy_associations.delete(call.service, policy_id, place)
    return NO_CONTENT


def endpoints_of(call: Call[Identity], policy_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoints_for_policy")
    rows = policy_associations.endpoints_of(call.service, policy_id)
    found = [views.with_self(call, "endpoints", endpoint_of(row)) for row in rows]
    return Reply(views.collection(call, "endpoints", found))


def policy_of(call: Call[Identity], endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_policy_for_endpoint")
    return Reply({"policy": policies.view(call, policy_associations.policy_of(call.service, endpoint_id))})
