"""Versions, extensions, quotas, tags."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.handlers import (
    discovery,
    floating_ips,
    networks,
    ports,
    quotas,
    routers,
    security_groups,
    segments,
    subnet_pools,
    subnets,
    trunks,
)
from cumulet.network.handlers.tags import tag_routes

ROUTES = (
    Route("GET", "/", discovery.versions, public=True),
    Route("GET", "/v2.0", discovery.resources, public=True),
    Route("GET", "/v2.0/extensions", discovery.extensions),
    Route("GET", "/v2.0/extensions/{alias}", discovery.extension),
    Route("GET", "/v2.0/quotas", quotas.index),
    Route("GET", "/v2.0/quotas/tenant", quotas.mine),
    Route("GET", "/v2.0/quotas/project", quotas.mine),
    Route("GET", "/v2.0/quotas/{project_id}", quotas.show),
    Route("PUT", "/v2.0/quotas/{project_id}", quotas.update),
    Route("DELETE", "/v2.0/quotas/{project_id}", quotas.delete),
    Route("GET", "/v2.0/quotas/{project_id}/default", quotas.default),
    Route("GET", "/v2.0/quotas/{project_id}/details", quotas.details),
    Route("GET", "/v2.0/quotas/{project_id}/details.json", quotas.details),
    *tag_routes("/v2.0/networks", networks.NOUN),
    *tag_routes("/v2.0/subnets", subnets.NOUN),
    *tag_routes("/v2.0/ports", ports.NOUN),
    *tag_routes("/v2.0/subnetpools", subnet_pools.NOUN),
    *tag_routes("/v2.0/routers", routers.NOUN),
    *tag_routes("/v2.0/floatingips", floating_ips.NOUN),
    *tag_routes("/v2.0/security-groups", security_groups.GROUPS),
    *tag_routes("/v2.0/trunks", trunks.NOUN),
    *tag_routes("/v2.0/segments", segments.SEGMENTS),
    *tag_routes("/v2.0/network-segment-ranges", segments.RANGES),
    *tag_routes("/v2.0/network_segment_ranges", segments.RANGES),
)
