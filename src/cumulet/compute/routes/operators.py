"""Services, aggregates, availability zones, server groups."""

from __future__ import annotations

from cumulet.compute.handlers import aggregates, server_groups, services
from cumulet.kernel.http import Route

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
    Route("GET", "/v2.1/os-availability-zone", aggregates.zones),
    Route("GET", "/v2.1/os-availability-zone/detail", aggregates.zones_detail),
    Route("GET", "/v2.1/os-server-groups", server_groups.index),
    Route("POST", "/v2.1/os-server-groups", server_groups.create),
    Route("GET", "/v2.1/os-server-groups/{group_id}", server_groups.show),
    Route("DELETE", "/v2.1/os-server-groups/{group_id}", server_groups.delete),
)
