"""Services, hypervisors, aggregates, availability zones, server groups, quotas."""

from __future__ import annotations

from cumulet.compute.handlers import aggregate_images, aggregates, gone, hypervisors, quotas, server_groups, services
from cumulet.kernel.http import Route

_OF_OLD = (
    "os-agents",
    "os-cells",
    "os-certificates",
    "os-cloudpipe",
    "os-fixed-ips",
    "os-floating-ip-dns",
    "os-floating-ips-bulk",
    "os-fping",
    "os-security-group-default-rules",
)
_GONE = (
    *(f"/v2.1/{name}{rest}" for name in _OF_OLD for rest in ("", "/{identifier}")),
    "/v2.1/os-cells/{identifier}/capacities",
    "/v2.1/os-floating-ip-dns/{identifier}/entries/{entry}",
)
ROUTES = (
    Route("GET", "/v2.1/os-services", services.index),
    Route("PUT", "/v2.1/os-services/{service_id}", services.update),
    Route("DELETE", "/v2.1/os-services/{service_id}", services.delete),
    Route("GET", "/v2.1/os-aggregates", aggregates.index),
    Route("POST", "/v2.1/os-aggregates", aggregates.create),
    Route("GET", "/v2.1/os-aggregates/{aggregate_id}", aggregates.show),
    Route("PUT", "/v2.1/os-aggregates/{aggregate_id}", aggregates.update),
    Route("DELETE", "/v2.1/os-aggregates/{aggregate_id}", aggregates.delete),
    Route("POST", "/v2.1/os-aggregates/{aggregate_id}/action", aggregates.act),
    Route("POST", "/v2.1/os-aggregates/{aggregate_id}/images", aggregate_images.create, since=(2, 81)),
    Route("GET", "/v2.1/os-availability-zone", aggregates.zones),
    Route("GET", "/v2.1/os-availability-zone/detail", aggregates.zones_detail),
    Route("GET", "/v2.1/os-server-groups", server_groups.index),
    Route("POST", "/v2.1/os-server-groups", server_groups.create),
    Route("GET", "/v2.1/os-server-groups/{group_id}", server_groups.show),
    Route("DELETE", "/v2.1/os-server-groups/{group_id}", server_groups.delete),
    Route("GET", "/v2.1/os-hypervisors", hypervisors.index),
    Route("GET", "/v2.1/os-hypervisors/detail", hypervisors.detail),
    Route("GET", "/v2.1/os-hypervisors/statistics", hypervisors.statistics, until=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}", hypervisors.show),
    Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/uptime", hypervisors.uptime, until=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/search", hypervisors.search, until=(2, 52)),
    Route("GET", "/v2.1/os-hypervisors/{hypervisor_id}/servers", hypervisors.servers, until=(2, 52)),
    Route("GET", "/v2.1/limits", quotas.limits),
    Route("GET", "/v2.1/os-quota-sets/{project_id}", quotas.show),
    Route("PUT", "/v2.1/os-quota-sets/{project_id}", quotas.update),
    Route("DELETE", "/v2.1/os-quota-sets/{project_id}", quotas.delete),
    Route("GET", "/v2.1/os-quota-sets/{project_id}/detail", quotas.detail),
    Route("GET", "/v2.1/os-quota-sets/{project_id}/defaults", quotas.defaults),
    Route("GET", "/v2.1/os-quota-class-sets/{name}", quotas.show_class),
    Route("PUT", "/v2.1/os-quota-class-sets/{name}", quotas.update_class),
    Route("POST", "/v2.1/os-fixed-ips/{identifier}/action", gone.gone_actions("reserve", "unreserve")),
    *(Route(method, path, gone.gone) for path in _GONE for method in ("GET", "POST", "PUT", "DELETE")),
)
