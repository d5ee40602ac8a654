"""`/v3/roles/{id}/implies` and `/v3/role_inferences` (Identity API v3, Roles)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import implied_roles
from cumulet.identity.domain.roles import Role
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _role(call: Call[Identity], role: Role) -> dict[str, Any]:
    links = {"self": views.self_url(call, f"roles/{role['id']}")}
    return {"id": role["id"], "name": role["name"], "links": links}


def _view(call: Call[Identity], prior: Role, implied: Role | list[Role]) -> dict[str, Any]:
    path = f"roles/{prior['id']}/implies"
    implies: Any
    if isinstance(implied, list):
        implies = [_role(call, role) for role in implied]
    else:
        path += f"/{implied['id']}"
        implies = _role(call, implied)
    return {
        "role_inference": {"prior_role": _role(call, prior), "implies": implies},
        "links": {"self": views.self_url(call, path)},
    }


def index(call: Call[Identity], role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_implied_roles")
    return Reply(_view(call, *implied_roles.find(call.service, role_id)))


def index_all(call: Call[Identity]) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_role_inference_rules")
    inferences = [
        {"prior_role": _role(call, prior), "implies": [_role(call, role) for role in implied]}
        for prior, implied in implied_roles.find_all(call.service)
    ]
    return Reply({"role_inferences": inferences})


def show(call: Call[Identity], role_id: str, implied_role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_implied_role")
    return Reply(_view(call, *implied_roles.show(call.service, role_id, implied_role_id)))


def check(call: Call[Identity], role_id: str, implied_role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:check_implied_role")
    implied_roles.show(call.service, role_id, implied_role_id)
    return NO_CONTENT


def create(call: Call[Identity], role_id: str, implied_role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:create_implied_role")
    return Reply(_view(call, *implied_roles.create(call.service, role_id, implied_role_id)), 201)


def delete(call: Call[Identity], role_id: str, implied_role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_implied_role")
    implied_roles.delete(call.service, role_id, implied_role_id)
    return NO_CONTENT
