"""Unified limits: what services ask Identity about their quotas."""

from __future__ import annotations

from cumulet.identity.handlers import limits, registered_limits
from cumulet.kernel.http import Route

ROUTES = (
    Route("GET", "/v3/registered_limits", registered_limits.index),
    Route("POST", "/v3/registered_limits", registered_limits.create),
    Route("GET", "/v3/registered_limits/{registered_limit_id}", registered_limits.show),
    Route("PATCH", "/v3/registered_limits/{registered_limit_id}", registered_limits.update),
    Route("DELETE", "/v3/registered_limits/{registered_limit_id}", registered_limits.delete),
    Route("GET", "/v3/limits", limits.index),
    Route("POST", "/v3/limits", limits.create),
    Route("GET", "/v3/limits/model", limits.show_model),
    Route("GET", "/v3/limits/{limit_id}", limits.show),
    Route("PATCH", "/v3/limits/{limit_id}", limits.update),
    Route("DELETE", "/v3/limits/{limit_id}", limits.delete),
)
