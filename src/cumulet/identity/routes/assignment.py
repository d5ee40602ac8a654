"""Roles, what they imply, and who has them where."""

from __future__ import annotations

from cumulet.identity.handlers import grants, implied_roles, role_assignments, roles
from cumulet.kernel.http import Route


def _grants(place: str, suffix: str = "") -> tuple[Route, ...]:
    """The operations on the roles at one place: `/v3/projects/{project_id}/users/{user_id}`."""
    one = f"{place}/roles/{{role_id}}{suffix}"
    return (
        Route("GET", one, grants.check),
        Route("PUT", one, grants.create),
        Route("DELETE", one, grants.delete),
    )


ROUTES = (
    Route("GET", "/v3/roles", roles.index),
    Route("POST", "/v3/roles", roles.create),
    Route("GET", "/v3/roles/{role_id}", roles.show),
    Route("PATCH", "/v3/roles/{role_id}", roles.update),
    Route("DELETE", "/v3/roles/{role_id}", roles.delete),
    Route("GET", "/v3/role_inferences", implied_roles.index_all),
    Route("GET", "/v3/roles/{role_id}/implies", implied_roles.index),
    Route("GET", "/v3/roles/{role_id}/implies/{implied_role_id}", implied_roles.show),
    Route("HEAD", "/v3/roles/{role_id}/implies/{implied_role_id}", implied_roles.check),
    Route("PUT", "/v3/roles/{role_id}/implies/{implied_role_id}", implied_roles.create),
    Route("DELETE", "/v3/roles/{role_id}/implies/{implied_role_id}", implied_roles.delete),
    Route("GET", "/v3/projects/{project_id}/users/{user_id}/roles", grants.index),
    Route("GET", "/v3/projects/{project_id}/groups/{group_id}/roles", grants.index),
    Route("GET", "/v3/domains/{domain_id}/users/{user_id}/roles", grants.index),
    Route("GET", "/v3/domains/{domain_id}/groups/{group_id}/roles", grants.index),
    Route("GET", "/v3/system/users/{user_id}/roles", grants.index),
    Route("GET", "/v3/system/groups/{group_id}/roles", grants.index),
    Route("GET", "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects", grants.index),
    Route("GET", "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects", grants.index),
    *_grants("/v3/projects/{project_id}/users/{user_id}"),
    *_grants("/v3/projects/{project_id}/groups/{group_id}"),
    *_grants("/v3/domains/{domain_id}/users/{user_id}"),
    *_grants("/v3/domains/{domain_id}/groups/{group_id}"),
    *_grants("/v3/system/users/{user_id}"),
    *_grants("/v3/system/groups/{group_id}"),
    *_grants("/v3/OS-INHERIT/projects/{project_id}/users/{user_id}", "/inherited_to_projects"),
    *_grants("/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}", "/inherited_to_projects"),
    *_grants("/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}", "/inherited_to_projects"),
    *_grants("/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}", "/inherited_to_projects"),
    Route("GET", "/v3/role_assignments", role_assignments.index),
)
