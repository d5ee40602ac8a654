"""`/v3/roles` (Identity API v3, Roles)."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity import matching, views
from cumulet.identity.domain import roles
from cumulet.identity.schemas.roles import RoleBody, RoleChangesBody, RoleQuery
from cumulet.identity.service import Identity
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _view(call: Call[Identity], role: roles.Role) -> dict[str, Any]:
    return views.with_self(call, "roles", role)


def _of_domain(role: roles.Role) -> bool:
    return bool(role["domain_id"])


def _allowed(call: Call[Identity], role_id: str, verb: str) -> roles.Role:
    """The role, if the caller may do this with it. A caller who may not does not learn whether it exists."""
    try:
        role = roles.show(call.service, role_id)
    except NotFound:
        call.service.policy.can(call.ctx, f"identity:{verb}_role")
        raise
    rule = f"identity:{verb}_domain_role" if _of_domain(role) else f"identity:{verb}_role"
    call.service.policy.can(call.ctx, rule, {"target": {"role": role}})
    return role


def index(call: Call[Identity]) -> Reply:
    query = call.filters(RoleQuery)
    rule = "identity:list_roles" if query.domain_id is None else "identity:list_domain_roles"
    call.service.policy.can(call.ctx, rule)
    found = roles.find(call.service, name=query.name, domain_id=query.domain_id)
    found = matching.keep(call.query(), found, "name")
    return Reply(views.collection(call, "roles", [_view(call, role) for role in found], group="role"))


def show(call: Call[Identity], role_id: str) -> Reply:
    return Reply({"role": _view(call, _allowed(call, role_id, "get"))})


def create(call: Call[Identity]) -> Reply:
    given, extra = views.known_and_extra(call, "role", RoleBody)
    given.pop("id", None)
    rule = "identity:create_domain_role" if given.get("domain_id") else "identity:create_role"
    call.service.policy.can(call.ctx, rule, {"target": {"role": given}})
    return Reply({"role": _view(call, roles.create(call.service, _plain(given), extra))}, 201)


def update(call: Call[Identity], role_id: str) -> Reply:
    _allowed(call, role_id, "update")
    given, extra = views.known_and_extra(call, "role", RoleChangesBody)
    views.check_changes(given, extra, role_id)
    return Reply({"role": _view(call, roles.update(call.service, role_id, _plain(given), extra))})


def delete(call: Call[Identity], role_id: str) -> Reply:
    _allowed(call, role_id, "delete")
    roles.delete(call.service, role_id)
    return NO_CONTENT


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(given)
    return plain
