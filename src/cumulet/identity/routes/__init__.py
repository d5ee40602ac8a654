"""Identity's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from cumulet.identity.routes import assignment, auth, catalog, credentials, limits, oauth1, policies, resources

ROUTES = (
    *auth.ROUTES,
    *credentials.ROUTES,
    *assignment.ROUTES,
    *catalog.ROUTES,
    *limits.ROUTES,
    *oauth1.ROUTES,
    *policies.ROUTES,
    *resources.ROUTES,
)
