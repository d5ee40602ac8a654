"""Compute's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from cumulet.compute import views
from cumulet.compute.routes import attachments, flavors, key_pairs, older, operators, servers, versions
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply, Route

_PATH_PROJECT: Final = "cumulet.path_project"  # as paths.ProjectPaths leaves it
_QUERYLESS_SINCE: Final = (2, 102)
_QUERIED: Final = frozenset(
    f"/v2.1/{path}"
    for path in (
        *("flavors", "flavors/detail", "limits", "os-hypervisors", "os-hypervisors/detail"),
        *("os-hypervisors/{hypervisor_id}", "os-keypairs", "os-keypairs/{name}", "os-migrations"),
        *("os-quota-sets/{project_id}", "os-quota-sets/{project_id}/detail", "os-server-groups", "os-services"),
        *("os-simple-tenant-usage", "os-simple-tenant-usage/{project_id}", "os-volumes_boot"),
        *("os-volumes_boot/detail", "servers", "servers/detail", "servers/{server_id}/os-instance-actions"),
        "servers/{server_id}/os-volume_attachments",
        # These read none, but the original never looks at it.
        *("os-quota-sets/{project_id}/defaults", "servers/{server_id}/os-volume_attachments/{volume_id}"),
        *("servers/{server_id}/tags", "servers/{server_id}/tags/{tag}"),
    )
)


def _strict(route: Route) -> Route:
    """A path that names a project names the caller's.

    What reads nothing from the query says so, since 2.102, when it is given something.
    """
    handler, queryless = route.handler, route.method == "GET" and route.path not in _QUERIED

    def run(call: Call[Compute], **params: Any) -> Reply:
        named = call.req.env.get(_PATH_PROJECT)
        if named is not None and named != call.ctx.project_id:
            raise BadRequest(
                f"Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id "
                f"'{call.ctx.project_id}'"
            )
        if queryless:
            views.require_known(call, (), since=_QUERYLESS_SINCE)
        return handler(call, **params)

    return replace(route, handler=run)


_BEHIND_VERSIONS: Final = (
    *servers.ROUTES,
    *attachments.ROUTES,
    *flavors.ROUTES,
    *key_pairs.ROUTES,
    *operators.ROUTES,
    *older.ROUTES,
)
ROUTES = (*versions.ROUTES, *(_strict(route) for route in _BEHIND_VERSIONS))
