"""`/v3/auth/catalog`, `…/projects`, `…/domains` and `…/system`: what the caller can get with its token."""

from __future__ import annotations

from cumulet.identity import views
from cumulet.identity.domain import available_scopes, tokens
from cumulet.identity.errors import unauthorized
from cumulet.identity.service import Identity
from cumulet.kernel.errors import Forbidden
from cumulet.kernel.http import Call, Reply


def _user(call: Call[Identity], rule: str) -> str:
    call.service.policy.can(call.ctx, rule)
    if call.ctx.user_id is None:
        raise unauthorized()
    return call.ctx.user_id


def catalog(call: Call[Identity]) -> Reply:
    user_id = _user(call, "identity:get_auth_catalog")
    if call.ctx.project_id is None:
        raise Forbidden("You are not authorized to perform the requested action.")
    with tokens.reading(call.service) as reader:
        found, _ = reader.catalog(call.ctx.project_id, user_id)
    return Reply({"catalog": found, "links": {"self": views.self_url(call, "auth/catalog")}})


def projects(call: Call[Identity]) -> Reply:
    found = available_scopes.projects_of(call.service, _user(call, "identity:get_auth_projects"))
    return Reply(views.collection(call, "projects", [views.with_self(call, "projects", project) for project in found]))


def domains(call: Call[Identity]) -> Reply:
    found = available_scopes.domains_of(call.service, _user(call, "identity:get_auth_domains"))
    return Reply(views.collection(call, "domains", [views.with_self(call, "domains", domain) for domain in found]))


def system(call: Call[Identity]) -> Reply:
    may = available_scopes.has_system(call.service, _user(call, "identity:get_auth_system"))
    return Reply({"system": [{"all": True}] if may else [], "links": {"self": views.self_url(call, "auth/system")}})
