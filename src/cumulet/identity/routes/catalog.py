"""The service catalog: regions, services, endpoints, and which endpoints a project gets to see."""

from __future__ import annotations

from cumulet.identity.handlers import endpoint_groups, endpoints, project_endpoints, regions, services
from cumulet.kernel.http import Route

_FILTER = "/v3/OS-EP-FILTER"
_GROUP = f"{_FILTER}/endpoint_groups/{{endpoint_group_id}}"
_PROJECT = f"{_FILTER}/projects/{{project_id}}"

ROUTES = (
    Route("GET", "/v3/regions", regions.index),
    Route("POST", "/v3/regions", regions.create),
    Route("GET", "/v3/regions/{region_id}", regions.show),
    Route("PUT", "/v3/regions/{region_id}", regions.create_with_id),
    Route("PATCH", "/v3/regions/{region_id}", regions.update),
    Route("DELETE", "/v3/regions/{region_id}", regions.delete),
    Route("GET", "/v3/services", services.index),
    Route("POST", "/v3/services", services.create),
    Route("GET", "/v3/services/{service_id}", services.show),
    Route("PATCH", "/v3/services/{service_id}", services.update),
    Route("DELETE", "/v3/services/{service_id}", services.delete),
    Route("GET", "/v3/endpoints", endpoints.index),
    Route("POST", "/v3/endpoints", endpoints.create),
    Route("GET", "/v3/endpoints/{endpoint_id}", endpoints.show),
    Route("PATCH", "/v3/endpoints/{endpoint_id}", endpoints.update),
    Route("DELETE", "/v3/endpoints/{endpoint_id}", endpoints.delete),
    Route("GET", f"{_FILTER}/endpoint_groups", endpoint_groups.index),
    Route("POST", f"{_FILTER}/endpoint_groups", endpoint_groups.create),
    Route("GET", _GROUP, endpoint_groups.show),
    Route("PATCH", _GROUP, endpoint_groups.update),
    Route("DELETE", _GROUP, endpoint_groups.delete),
    Route("GET", f"{_GROUP}/endpoints", endpoint_groups.endpoints_of),
    Route("GET", f"{_GROUP}/projects", project_endpoints.projects_with_group),
    Route("GET", f"{_GROUP}/projects/{{project_id}}", project_endpoints.show_group),
    Route("PUT", f"{_GROUP}/projects/{{project_id}}", project_endpoints.add_group),
    Route("DELETE", f"{_GROUP}/projects/{{project_id}}", project_endpoints.remove_group),
    Route("GET", f"{_FILTER}/endpoints/{{endpoint_id}}/projects", project_endpoints.projects_with_endpoint),
    Route("GET", f"{_PROJECT}/endpoints", project_endpoints.endpoints_of),
    Route("GET", f"{_PROJECT}/endpoint_groups", project_endpoints.groups_of),
    Route("GET", f"{_PROJECT}/endpoints/{{endpoint_id}}", project_endpoints.check),
    Route("PUT", f"{_PROJECT}/endpoints/{{endpoint_id}}", project_endpoints.add),
    Route("DELETE", f"{_PROJECT}/endpoints/{{endpoint_id}}", project_endpoints.remove),
)
