"""`/v3/projects` (Identity API v3, Projects)."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from cumulet.identity import paging, rendering, views
from cumulet.identity.domain import project_hierarchy, projects
from cumulet.identity.domain.projects import Project
from cumulet.identity.handlers import users
from cumulet.identity.schemas.flags import truth
from cumulet.identity.schemas.projects import (
    NewProjectBody,
    ProjectChangesBody,
    ProjectQuery,
    ProjectView,
    SelfLink,
)
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def view(call: Call[Identity], project: Project) -> dict[str, Any]:
    shown = {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.parent_id,
        "is_domain": project.is_domain,
        "tags": project.tags,
        "options": project.options,
    }
    return views.with_self(call, "projects", shown)


def row_views(call: Call[Identity], rows: list[Any], tags: dict[str, list[str]]) -> list[Struct | Raw]:
    """Rows of `projects.COLUMNS` as the API shows them."""
    prefix = views.self_url(call, "projects/")
    shown = []
    for project_id, domain_id, parent_id, name, description, enabled, is_domain, options, extra in rows:
        one = ProjectView(
            project_id,
            name,
            domain_id or None,
            description,
            enabled,
            parent_id,
            is_domain,
            tags.get(project_id, []),
            rendering.NOTHING if options == "{}" else Raw(options),
            SelfLink(prefix + project_id),
        )
        shown.append(one if extra == "{}" else rendering.spliced(extra, one))
    return shown


def filters(call: Call[Identity], query: paging.Query) -> dict[str, Any]:
    """What to filter projects by. Raises BadRequest."""
    wanted = call.filters(ProjectQuery)
    chosen: dict[str, Any] = paging.text_comparisons(query, "name")
    for name in ("domain_id", "parent_id", "name"):
        value = getattr(wanted, name)
        if value is not None:
            chosen[name] = value
    if wanted.enabled is not None:
        chosen["enabled"] = truth(wanted.enabled)
    chosen["is_domain"] = wanted.is_domain is not None and truth(wanted.is_domain)
    for name in ("tags", "tags_any", "not_tags", "not_tags_any"):
        value = getattr(wanted, name)
        if value is not None:
            chosen[name] = sorted(set(value.split(",")))
    return chosen


def listed(call: Call[Identity], more: dict[str, Any]) -> Reply:
    """The projects that meet the query and the filters `more`."""
    query = call.query()
    page, tags = projects.find(call.service, {**filters(call, query), **more}, paging.window(call, query, "resource"))
    return Reply(paging.body(call, "projects", row_views(call, page.rows, tags), page))


def index(call: Call[Identity]) -> Reply:
    domain_id = call.ctx.domain_id
    target = None if domain_id is None else {"target": {"domain_id": domain_id}}
    call.service.policy.can(call.ctx, "identity:list_projects", target)
    return listed(call, {} if domain_id is None else {"within": domain_id})


def of_user(call: Call[Identity], user_id: str) -> Reply:
    users.allowed(call, user_id, "identity:list_user_projects")
    return listed(call, {"of_user": user_id})


def allowed(call: Call[Identity], project_id: str, rule: str) -> Project:
    """The project, if the caller may do this. A caller who may not does not learn whether it exists."""
    try:
        project = projects.show(call.service, project_id)
    except NotFound:
        call.service.policy.can(call.ctx, rule)
        raise
    target = {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "parent_id": project.parent_id,
        "is_domain": project.is_domain,
    }
    call.service.policy.can(call.ctx, rule, {"target": {"project": target}})
    return project


def show(call: Call[Identity], project_id: str) -> Reply:
    project = allowed(call, project_id, "identity:get_project")
    return Reply({"project": {**view(call, project), **_hierarchy(call, project)}})


def _hierarchy(call: Call[Identity], project: Project) -> dict[str, Any]:
    """`parents` and `subtree`, as ids or whole, where the query asks for them."""
    asked = call.query().keys()
    for side in ("parents", "subtree"):
        if {f"{side}_as_list", f"{side}_as_ids"} <= asked:
            raise BadRequest(f"Cannot use {side}_as_list and {side}_as_ids query params at the same time.")
    shown: dict[str, Any] = {}
    user_id = call.ctx.user_id or ""
    with call.service.db.read() as connection:
        if "parents_as_ids" in asked:
            shown["parents"] = project_hierarchy.parents_as_ids(connection, project.id)
        if "parents_as_list" in asked:
            shown["parents"] = _whole(call, project_hierarchy.users_parents(connection, project.id, user_id))
        if "subtree_as_ids" in asked:
            shown["subtree"] = project_hierarchy.subtree_as_ids(connection, project.id)
        if "subtree_as_list" in asked:
            shown["subtree"] = _whole(call, project_hierarchy.users_subtree(connection, project.id, user_id))
    return shown


def _whole(call: Call[Identity], found: list[Project]) -> list[dict[str, Any]]:
    return [{"project": view(call, project)} for project in found]


def create(call: Call[Identity]) -> Reply:
    values, extra = rendering.given(call, "project", NewProjectBody)
    values.pop("id", None)
    call.service.policy.can(call.ctx, "identity:create_project", {"target": {"project": values}})
    if not values.get("domain_id") and not values.get("parent_id") and not values.get("is_domain"):
        values["domain_id"] = call.ctx.domain_id or call.service.conf.identity.default_domain_id
    return Reply({"project": view(call, projects.create(call.service, values, extra))}, 201)


def update(call: Call[Identity], project_id: str) -> Reply:
    allowed(call, project_id, "identity:update_project")
    values, extra = rendering.given(call, "project", ProjectChangesBody)
    if values.pop("id", project_id) != project_id:
        raise BadRequest("Cannot change ID")
    project = projects.update(call.service, project_id, values, extra)
    return Reply({"project": {"extra": project.extra, **view(call, project)}})


def delete(call: Call[Identity], project_id: str) -> Reply:
    allowed(call, project_id, "identity:delete_project")
    projects.delete(call.service, project_id)
    return NO_CONTENT
