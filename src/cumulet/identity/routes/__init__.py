"""Identity's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from cumulet.identity.routes import assignment, auth, catalog, resources

ROUTES = (
    *auth.ROUTES,
    *assignment.ROUTES,
    *catalog.ROUTES,
    *resources.ROUTES,
)
