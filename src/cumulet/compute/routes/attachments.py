"""What is plugged into servers, and what other services say of them."""

from __future__ import annotations

from cumulet.compute.handlers import external_events, interfaces, server_networking
from cumulet.kernel.http import Route

_ONE = "/v2.1/servers/{server_id}"
ROUTES = (
    Route("GET", f"{_ONE}/os-interface", interfaces.index),
    Route("POST", f"{_ONE}/os-interface", interfaces.create),
    Route("GET", f"{_ONE}/os-interface/{{port_id}}", interfaces.show),
    Route("DELETE", f"{_ONE}/os-interface/{{port_id}}", interfaces.delete),
    Route("GET", f"{_ONE}/os-security-groups", server_networking.security_groups),
    Route("POST", "/v2.1/os-server-external-events", external_events.create),
)
