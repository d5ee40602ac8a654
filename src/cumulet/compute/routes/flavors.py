"""Flavors."""

from __future__ import annotations

from cumulet.compute.handlers import flavor_specs, flavors
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/v2.1/flavors", flavors.index),
    Route("POST", "/v2.1/flavors", flavors.create),
    Route("GET", "/v2.1/flavors/detail", flavors.detail),
    Route("GET", "/v2.1/flavors/{flavor_id}", flavors.show),
    Route("PUT", "/v2.1/flavors/{flavor_id}", flavors.update, since=(2, 55)),
    Route("DELETE", "/v2.1/flavors/{flavor_id}", flavors.delete),
    Route("GET", "/v2.1/flavors/{flavor_id}/os-extra_specs", flavor_specs.specs),
    Route("POST", "/v2.1/flavors/{flavor_id}/os-extra_specs", flavor_specs.create_specs),
    Route("GET", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", flavor_specs.spec),
    Route("PUT", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", flavor_specs.update_spec),
    Route("DELETE", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", flavor_specs.delete_spec),
    Route("GET", "/v2.1/flavors/{flavor_id}/os-flavor-access", flavor_specs.access),
    Route("POST", "/v2.1/flavors/{flavor_id}/action", flavor_specs.act),
)
