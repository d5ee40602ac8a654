"""Regions, services and endpoints."""

from __future__ import annotations

from cumulet.identity.handlers import regions
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/v3/regions", regions.index),
    Route("POST", "/v3/regions", regions.create),
    Route("GET", "/v3/regions/{region_id}", regions.show),
    Route("PUT", "/v3/regions/{region_id}", regions.create_with_id),
    Route("PATCH", "/v3/regions/{region_id}", regions.update),
    Route("DELETE", "/v3/regions/{region_id}", regions.delete),
)
