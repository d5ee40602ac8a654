"""Network's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from cumulet.network.routes import addresses, core, meta, operators, qos, routers, security

ROUTES = (
    *meta.ROUTES,
    *core.ROUTES,
    *addresses.ROUTES,
    *routers.ROUTES,
    *security.ROUTES,
    *operators.ROUTES,
    *qos.ROUTES,
)
