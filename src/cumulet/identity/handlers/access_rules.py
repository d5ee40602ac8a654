"""`/v3/users/{user_id}/access_rules` (Identity API v3, Application Credentials: access rules)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import matching, views
from cumulet.identity.domain import access_rules, delegation
from cumulet.identity.schemas.application_credentials import AccessRuleQuery
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _check(call: Call[Identity], rule: str, user_id: str) -> None:
    call.service.policy.can(call.ctx, rule, {"user_id": user_id, "target": {"user": {"id": user_id}}})
    delegation.refuse_for_application_credentials(call.service, call.ctx)


def _view(call: Call[Identity], user_id: str, rule: dict[str, Any]) -> dict[str, Any]:
    return views.with_self(call, f"users/{user_id}/access_rules", rule)


def index(call: Call[Identity], user_id: str) -> Reply:
    _check(call, "identity:list_access_rules", user_id)
    query = call.filters(AccessRuleQuery)
    found = access_rules.find(call.service, user_id, service=query.service, path=query.path, method=query.method)
    found = matching.keep(call.query(), found, "service", "path", "method")
    return Reply(views.collection(call, "access_rules", [_view(call, user_id, rule) for rule in found]))


def show(call: Call[Identity], user_id: str, access_rule_id: str) -> Reply:
    _check(call, "identity:get_access_rule", user_id)
    return Reply({"access_rule": _view(call, user_id, access_rules.show(call.service, user_id, access_rule_id))})


def delete(call: Call[Identity], user_id: str, access_rule_id: str) -> Reply:
    _check(call, "identity:delete_access_rule", user_id)
    access_rules.delete(call.service, user_id, access_rule_id)
    return NO_CONTENT
