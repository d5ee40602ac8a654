"""`/v3/role_assignments` (Identity API v3, Role assignments)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import role_assignments
from cumulet.identity.domain.names import Names
from cumulet.identity.domain.role_assignments import Assignment, Wanted
from cumulet.identity.schemas.role_assignments import RoleAssignmentQuery
from cumulet.identity.service import Identity
from cumulet.identity.tables import DOMAIN, GROUP, PROJECT, SYSTEM, USER
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

_IDS = ("user_id", "group_id", "role_id", "project_id", "domain_id")


def index(call: Call[Identity]) -> Reply:
    query = call.filters(RoleAssignmentQuery)
    wanted = _wanted(query)
    domain_id = call.ctx.domain_id
    if wanted.subtree:
        domain_of = role_assignments.domain_of_project(call.service, wanted.project_id or "")
        call.service.policy.can(
            call.ctx, "identity:list_role_assignments_for_tree", {"target": {"domain_id": domain_of}}
        )
        domain_id = None
    else:
        # A caller of one domain sees that domain only, so it is the domain that the rule is asked about.
        call.service.policy.can(
            call.ctx, "identity:list_role_assignments", {"target": {"domain_id": domain_id}} if domain_id else {}
        )
    found = role_assignments.find_for(call.service, wanted, domain_id)
    names = role_assignments.names_of(call.service, found) if query.include_names != "0" else None
    base = views.self_url(call, "")
    return Reply(views.collection(call, "role_assignments", [_view(base, line, names) for line in found]))


def _wanted(query: RoleAssignmentQuery) -> Wanted:
    effective = query.effective != "0"
    inherited = None if query.inherited_to is None else query.inherited_to == "projects"
    if query.project_id and query.domain_id:
        raise BadRequest("Specify a domain or project, not both: scope.domain.id and scope.project.id are given.")
    if query.system and query.domain_id:
        raise BadRequest("Specify system or domain, not both: scope.system and scope.domain.id are given.")
    if query.system and query.project_id:
        raise BadRequest("Specify system or project, not both: scope.system and scope.project.id are given.")
    if query.user_id and query.group_id:
        raise BadRequest("Specify a user or group, not both: user.id and group.id are given.")
    if effective and query.group_id:
        raise BadRequest("Combining effective and group filter will always result in an empty list.")
    if effective and query.domain_id and inherited:
        raise BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
    if query.include_subtree is not None and not query.project_id:
        raise BadRequest("scope.project.id must be specified if include_subtree is also specified")
    return Wanted(
        **{name: getattr(query, name) or None for name in _IDS},
        system=query.system == "all",
        inherited=inherited,
        subtree=query.include_subtree not in (None, "0"),
        effective=effective,
    )


def _view(base: str, line: Assignment, names: Names | None) -> dict[str, Any]:
    """`base` ends in `/v3/`."""
    role = {"id": line.role_id} if names is None else names.role(line.role_id)
    view = {"links": _links(base, line), "scope": _scope(line, names), "role": role}
    if line.actor_type == USER:
        view["user"] = {"id": line.actor_id} if names is None else names.user(line.actor_id)
    else:
        view["group"] = {"id": line.actor_id} if names is None else names.group(line.actor_id)
    return view


def _scope(line: Assignment, names: Names | None) -> dict[str, Any]:
    scope: dict[str, Any]
    if line.target_type == SYSTEM:
        return {"system": {"all": True}}
    if line.target_type == PROJECT:
        scope = {"project": {"id": line.target_id} if names is None else names.project(line.target_id)}
    else:
        scope = {"domain": {"id": line.target_id} if names is None else names.domain(line.target_id)}
    if line.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    return scope


def _links(base: str, line: Assignment) -> dict[str, str]:
    """Where the grant itself is, and the membership and implication that made it this user's role."""
    links: dict[str, str] = {}
    if line.granted_type == SYSTEM:
        path = "system"
    else:
        path = f"{'domains' if line.granted_type == DOMAIN else 'projects'}/{line.granted_id}"
    if line.through_group is not None:
        links["membership"] = f"{base}groups/{line.through_group}/users/{line.actor_id}"
        path += f"/groups/{line.through_group}"
    else:
        path += f"/{'groups' if line.actor_type == GROUP else 'users'}/{line.actor_id}"
    path += f"/roles/{line.granted_role_id}"
    if line.inherited:
        path = f"OS-INHERIT/{path}/inherited_to_projects"
    links["assignment"] = base + path
    if line.prior_role_id is not None:
        links["prior_role"] = f"{base}roles/{line.prior_role_id}/implies/{line.role_id}"
    return links
