"""`/v3/registered_limits` (Identity API v3, Unified limits)."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity import matching, views
from cumulet.identity.domain import registered_limits
from cumulet.identity.schemas.registered_limits import (
    RegisteredLimitChangesBody,
    RegisteredLimitQuery,
    RegisteredLimitsBody,
)
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], limit: dict[str, Any]) -> dict[str, Any]:
    return views.with_self(call, "registered_limits", limit)


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_registered_limits")
    query = msgspec.structs.asdict(call.filters(RegisteredLimitQuery))
    found = registered_limits.find(call.service, **query)
    found = matching.keep(call.query(), found, *query)
    return Reply(
        views.collection(call, "registered_limits", [_view(call, limit) for limit in found], group="unified_limit")
    )


def show(call: Call[Identity], registered_limit_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_registered_limit")
    return Reply({"registered_limit": _view(call, registered_limits.show(call.service, registered_limit_id))})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_registered_limits")
    given = msgspec.to_builtins(call.json(RegisteredLimitsBody).registered_limits)
    created = registered_limits.create(call.service, given)
    return Reply({"registered_limits": [_view(call, limit) for limit in created]}, 201)


def update(call: Call[Identity], registered_limit_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_registered_limit")
    given = msgspec.to_builtins(call.json(RegisteredLimitChangesBody).registered_limit)
    updated = registered_limits.update(call.service, registered_limit_id, given)
    return Reply({"registered_limit": _view(call, updated)})


def delete(call: Call[Identity], registered_limit_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_registered_limit")
    registered_limits.delete(call.service, registered_limit_id)
    return NO_CONTENT
