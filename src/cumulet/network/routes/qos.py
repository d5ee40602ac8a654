"""Quality of Service."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.network.crud import crud
from cumulet.network.handlers import qos
from cumulet.network.handlers.tags import tag_routes

ROUTES = (
    *crud("/v2.0/qos/policies", qos.POLICIES),
    *qos.rule_routes(),
    *tag_routes("/v2.0/qos/policies", qos.POLICIES),
    *tag_routes("/v2.0/policies", qos.POLICIES),
    Route("GET", "/v2.0/qos/rule-types", qos.rule_types),
    Route("GET", "/v2.0/qos/rule-types/{type_name}", qos.rule_type),
)
