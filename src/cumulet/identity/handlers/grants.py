"""Roles of a user or group on a project, a domain or the system (Identity API v3, Roles; OS-INHERIT).

`/v3/projects/{project_id}/users/{user_id}/roles/{role_id}` and all like it: the path says who and where.
"""

from __future__ import annotations

from cumulet.identity import views
from cumulet.identity.domain import grants
from cumulet.identity.domain.assignments import EVERYTHING
from cumulet.identity.domain.grants import Place
from cumulet.identity.service import Identity
from cumulet.identity.tables import DOMAIN, GROUP, PROJECT, SYSTEM, USER
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _place(
    call: Call[Identity],
    *,
    user_id: str | None = None,
    group_id: str | None = None,
    project_id: str | None = None,
    domain_id: str | None = None,
) -> Place:
    actor_type, actor_id = (USER, user_id) if user_id is not None else (GROUP, group_id or "")
    inherited = call.req.path.startswith("/v3/OS-INHERIT/")
    if project_id is not None:
        return Place(actor_type, actor_id, PROJECT, project_id, inherited)
    if domain_id is not None:
        return Place(actor_type, actor_id, DOMAIN, domain_id, inherited)
    return Place(actor_type, actor_id, SYSTEM, EVERYTHING)


def _authorize(call: Call[Identity], verb: str, place: Place, role_id: str | None = None) -> None:
    if place.target_type == SYSTEM:
        grant, actor = "system_grants" if verb == "list" else "system_grant", place.actor_type
        rule = f"identity:{verb}_{grant}_for_{'user' if actor == USER else 'group'}"
    else:
        rule = f"identity:{verb}_grants" if verb == "list" else f"identity:{verb}_grant"
    call.service.policy.can(call.ctx, rule, {"target": grants.policy_target(call.service, place, role_id)})


def index(call: Call[Identity], **where: str) -> Reply:
    place = _place(call, **where)
    _authorize(call, "list", place)
    found = [views.with_self(call, "roles", role) for role in grants.find(call.service, place)]
    return Reply(views.collection(call, "roles", found))


def check(call: Call[Identity], role_id: str, **where: str) -> Reply:
    place = _place(call, **where)
    _authorize(call, "check", place, role_id)
    grants.check(call.service, place, role_id)
    return NO_CONTENT


def create(call: Call[Identity], role_id: str, **where: str) -> Reply:
    place = _place(call, **where)
    _authorize(call, "create", place, role_id)
    grants.create(call.service, place, role_id)
    return NO_CONTENT


def delete(call: Call[Identity], role_id: str, **where: str) -> Reply:
    place = _place(call, **where)
    _authorize(call, "revoke", place, role_id)
    grants.delete(call.service, place, role_id)
    return NO_CONTENT
