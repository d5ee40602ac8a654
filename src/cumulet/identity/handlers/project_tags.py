"""`/v3/projects/{id}/tags` (Identity API v3, Project tags)."""

from __future__ import annotations

from cumulet.identity import rendering, views
from cumulet.identity.domain import project_tags
from cumulet.identity.handlers import projects
from cumulet.identity.schemas.projects import Tag, TagsBody
from cumulet.identity.service import Identity
from cumulet.kernel import bodies
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _body(call: Call[Identity], project_id: str, tags: list[str]) -> Reply:
    return Reply({"links": {"self": views.self_url(call, f"projects/{project_id}/tags")}, "tags": tags})


def index(call: Call[Identity], project_id: str) -> Reply:
    return _body(call, project_id, projects.allowed(call, project_id, "identity:list_project_tags").tags)


def check(call: Call[Identity], project_id: str, value: str) -> Reply:
    projects.allowed(call, project_id, "identity:get_project_tag")
    project_tags.check(call.service, project_id, value)
    return NO_CONTENT


def add(call: Call[Identity], project_id: str, value: str) -> Reply:
    projects.allowed(call, project_id, "identity:create_project_tag")
    project_tags.create(call.service, project_id, bodies.convert(value.strip(), Tag))
    return Reply(status=201)


def replace(call: Call[Identity], project_id: str) -> Reply:
    projects.allowed(call, project_id, "identity:update_project_tags")
    wanted = rendering.tags(call.json(TagsBody).tags)
    return _body(call, project_id, project_tags.replace(call.service, project_id, wanted))


def remove(call: Call[Identity], project_id: str, value: str) -> Reply:
    projects.allowed(call, project_id, "identity:delete_project_tag")
    project_tags.delete(call.service, project_id, value)
    return NO_CONTENT


def clear(call: Call[Identity], project_id: str) -> Reply:
    projects.allowed(call, project_id, "identity:delete_project_tags")
    project_tags.clear(call.service, project_id)
    return NO_CONTENT
