"""`/v3/OS-EP-FILTER/projects/…` (Identity API v3, OS-EP-FILTER): which endpoints a project gets in its catalog."""

from __future__ import annotations

from cumulet.identity import views
from cumulet.identity.domain import project_endpoints
from cumulet.identity.domain.endpoints import endpoint_of
from cumulet.identity.handlers import endpoint_groups
from cumulet.identity.handlers.projects import row_views
from cumulet.identity.service import Identity
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def endpoints_of(call: Call[Identity], project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoints_for_project")
    rows = project_endpoints.endpoints_of(call.service, project_id)
    found = [views.with_self(call, "endpoints", endpoint_of(row)) for row in rows]
    return Reply(views.collection(call, "endpoints", found))


def groups_of(call: Call[Identity], project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_endpoint_groups_for_project")
    found = [endpoint_groups.view(call, group) for group in project_endpoints.groups_of(call.service, project_id)]
    return Reply(views.collection(call, "endpoint_groups", found))


def projects_with_endpoint(call: Call[Identity], endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_projects_for_endpoint")
    rows, tags = project_endpoints.projects_with_endpoint(call.service, endpoint_id)
    return Reply(views.collection(call, "projects", row_views(call, rows, tags)))


def projects_with_group(call: Call[Identity], endpoint_group_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_projects_associated_with_endpoint_group")
    rows, tags = project_endpoints.projects_with_group(call.service, endpoint_group_id)
    return Reply(views.collection(call, "projects", row_views(call, rows, tags)))


def check(call: Call[Identity], project_id: str, endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:check_endpoint_in_project")
    project_endpoints.check(call.service, project_id, endpoint_id)
    return NO_CONTENT


def add(call: Call[Identity], project_id: str, endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:add_endpoint_to_project")
    project_endpoints.add(call.service, project_id, endpoint_id)
    return NO_CONTENT


def remove(call: Call[Identity], project_id: str, endpoint_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:remove_endpoint_from_project")
    project_endpoints.remove(call.service, project_id, endpoint_id)
    return NO_CONTENT


def show_group(call: Call[Identity], endpoint_group_id: str, project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_endpoint_group_in_project")
    project_endpoints.check_group(call.service, project_id, endpoint_group_id)
    path = f"OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"
    pair = {"endpoint_group_id": endpoint_group_id, "project_id": project_id}
    return Reply({"project_endpoint_group": {**pair, "links": {"self": views.self_url(call, path)}}})


def add_group(call: Call[Identity], endpoint_group_id: str, project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:add_endpoint_group_to_project")
    project_endpoints.add_group(call.service, project_id, endpoint_group_id)
    return NO_CONTENT


def remove_group(call: Call[Identity], endpoint_group_id: str, project_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:remove_endpoint_group_from_project")
    project_endpoints.remove_group(call.service, project_id, endpoint_group_id)
    return NO_CONTENT
