"""`/v3/limits` (Identity API v3, Unified limits)."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity import matching, views
from cumulet.identity.domain import limit_model, limits
from cumulet.identity.schemas.limits import LimitChangesBody, LimitFields, LimitQuery, LimitsBody
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], limit: limits.Limit) -> dict[str, Any]:
    return views.with_self(call, "limits", limit)


def _seen_by(call: Call[Identity]) -> dict[str, str | None]:
    """Administrators, services and the system see all, others what is their domain's or project's."""
    ctx = call.ctx
    if ctx.system_scope or "admin" in ctx.roles or "service" in ctx.roles:
        return {}
    if ctx.domain_id is not None:
        return {"of_domain": ctx.domain_id}
    return {"of_project": ctx.project_id or ""}


def index(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_limits")
    query = msgspec.structs.asdict(call.filters(LimitQuery))
    found = limits.find(call.service, **query, **_seen_by(call))
    found = matching.keep(call.query(), found, *query)
    return Reply(views.collection(call, "limits", [_view(call, limit) for limit in found], group="unified_limit"))


def show(call: Call[Identity], limit_id: str) -> Reply:
    try:
        limit = limits.show(call.service, limit_id)
    except NotFound:
        call.service.policy.can(call.ctx, "identity:get_limit")
        raise
    target = dict(limit)
    if limit["project_id"] is not None:
        target["project"] = {"id": limit["project_id"], "domain_id": limits.domain_of(call.service, limit)}
    else:
        target["domain"] = {"id": limit["domain_id"]}
    call.service.policy.can(call.ctx, "identity:get_limit", {"target": {"limit": target}})
    return Reply({"limit": _view(call, limit)})


def create(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_limits")
    given = [_checked(index, limit) for index, limit in enumerate(call.json(LimitsBody).limits)]
    created = limits.create(call.service, given)
    return Reply({"limits": [_view(call, limit) for limit in created]}, 201)


def _checked(index: int, limit: LimitFields) -> dict[str, Any]:
    given: dict[str, Any] = msgspec.to_builtins(limit)
    owners = [name for name in ("project_id", "domain_id") if name in given]
    if len(owners) != 1 or given[owners[0]] is None:
        raise BadRequest(
            f"Invalid input for field 'limits[{index}]': exactly one of project_id and domain_id is to be given."
        )
    return given


def update(call: Call[Identity], limit_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:update_limit")
    given = msgspec.to_builtins(call.json(LimitChangesBody).limit)
    return Reply({"limit": _view(call, limits.update(call.service, limit_id, given))})


def delete(call: Call[Identity], limit_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_limit")
    limits.delete(call.service, limit_id)
    return NO_CONTENT


def show_model(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_limit_model")
    model = call.service.conf.unified_limit.enforcement_model
    return Reply({"model": {"name": model, "description": limit_model.DESCRIPTIONS[model]}})
