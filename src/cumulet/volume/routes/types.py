"""Volume types."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import type_specs, types

_ONE = "/v3/types/{type_id}"
_DEFAULT = "/v3/default-types"
ROUTES = (
    Route("GET", "/v3/types", types.index),
    Route("POST", "/v3/types", types.create),
    Route("GET", _ONE, types.show),
    Route("PUT", _ONE, types.update),
    Route("DELETE", _ONE, types.delete),
    Route("GET", f"{_ONE}/extra_specs", type_specs.index),
    Route("POST", f"{_ONE}/extra_specs", type_specs.create),
    Route("GET", f"{_ONE}/extra_specs/{{key}}", type_specs.show),
    Route("PUT", f"{_ONE}/extra_specs/{{key}}", type_specs.update),
    Route("DELETE", f"{_ONE}/extra_specs/{{key}}", type_specs.delete),
    Route("GET", f"{_ONE}/os-volume-type-access", type_specs.access),
    Route("POST", f"{_ONE}/action", type_specs.act),
    Route("GET", _DEFAULT, type_specs.defaults, since=(3, 62)),
    Route("GET", f"{_DEFAULT}/{{project_id}}", type_specs.default, since=(3, 62)),
    Route("PUT", f"{_DEFAULT}/{{project_id}}", type_specs.set_default, since=(3, 62)),
    Route("DELETE", f"{_DEFAULT}/{{project_id}}", type_specs.unset_default, since=(3, 62)),
)
