"""`/v3/policies` (Identity API v3, Policies)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import matching, views
from cumulet.identity.domain import policies
from cumulet.identity.schemas.policies import PolicyBody, PolicyChangesBody, PolicyQuery
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def view(call: Call[Identity], policy: policies.Policy) -> dict[str, Any]:
    return views.with_self(call, "policies", policy)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_policies")
    found = policies.find(call.service, type_=call.filters(PolicyQuery).type)
    found = matching.keep(call.query(), found, "type")
    return Reply(views.collection(call, "policies", [view(call, policy) for policy in found], group="policy"))


def show(call: Call[Identity], policy_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_policy")
    return Reply({"policy": view(call, policies.show(call.service, policy_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_policy")
    given, extra = views.known_and_extra(call, "policy", PolicyBody)
    given.pop("id", None)
    return Reply({"policy": view(call, policies.create(call.service, given, extra))}, 201)


def update(call: Call[Identity], policy_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_policy")
    given, extra = views.known_and_extra(call, "policy", PolicyChangesBody)
    views.check_changes(given, extra, policy_id)
    return Reply({"policy": view(call, policies.update(call.service, policy_id, given, extra))})


def delete(call: Call[Identity], policy_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_policy")
    policies.delete(call.service, policy_id)
    return NO_CONTENT
