"""Flavors."""

from __future__ import annotations

from cumulet.compute.handlers import flavors
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/v2.1/flavors", flavors.index),
    Route("POST", "/v2.1/flavors", flavors.create),
    Route("GET", "/v2.1/flavors/detail", flavors.detail),
    Route("GET", "/v2.1/flavors/{flavor_id}", flavors.show),
    Route("PUT", "/v2.1/flavors/{flavor_id}", flavors.update, since=(2, 55)),
    Route("DELETE", "/v2.1/flavors/{flavor_id}", flavors.delete),
)
