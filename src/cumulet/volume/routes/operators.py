"""Quotas, limits, services, hosts, pools, capabilities, zones, extensions, filters, clusters, workers."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import extensions, pools, quotas, services

ROUTES = (
    Route("GET", "/v3/os-quota-sets/{project_id}", quotas.show),
    Route("PUT", "/v3/os-quota-sets/{project_id}", quotas.update),
    Route("DELETE", "/v3/os-quota-sets/{project_id}", quotas.delete),
    Route("GET", "/v3/os-quota-sets/{project_id}/defaults", quotas.defaults),
    Route("GET", "/v3/os-quota-class-sets/{name}", quotas.show_class),
    Route("PUT", "/v3/os-quota-class-sets/{name}", quotas.update_class),
    Route("GET", "/v3/limits", quotas.limits),
    Route("GET", "/v3/os-services", services.index),
    Route("PUT", "/v3/os-services/{operation}", services.act),
    Route("GET", "/v3/os-hosts", services.host_index),
    Route("GET", "/v3/os-hosts/{name}", services.host),
    Route("PUT", "/v3/os-hosts", services.update_no_host),
    Route("PUT", "/v3/os-hosts/{name}", services.update_host),
    Route("GET", "/v3/scheduler-stats/get_pools", pools.index),
    Route("GET", "/v3/capabilities/{host}", pools.capabilities),
    Route("GET", "/v3/os-availability-zone", pools.zones),
    Route("GET", "/v3/extensions", extensions.index),
    Route("GET", "/v3/extensions/{alias}", extensions.show),
    Route("GET", "/v3/resource_filters", pools.resource_filters, since=(3, 33)),
    Route("GET", "/v3/clusters", pools.clusters, since=(3, 7)),
    Route("GET", "/v3/clusters/detail", pools.clusters, since=(3, 7)),
    Route("GET", "/v3/clusters/{name}", pools.cluster, since=(3, 7)),
    Route("PUT", "/v3/clusters/{name}", pools.update_cluster, since=(3, 7)),
    Route("POST", "/v3/workers/cleanup", pools.cleanup, since=(3, 24)),
)
