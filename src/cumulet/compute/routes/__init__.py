"""Compute's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from cumulet.compute.routes import attachments, flavors, key_pairs, older, operators, servers, versions

ROUTES = (
    *versions.ROUTES,
    *servers.ROUTES,
    *attachments.ROUTES,
    *flavors.ROUTES,
    *key_pairs.ROUTES,
    *operators.ROUTES,
    *older.ROUTES,
)
