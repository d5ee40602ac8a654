"""Image's whole API at a glance: each module is a table of method, path and handler."""

from __future__ import annotations

from cumulet.image.routes import images, metadefs, operations

ROUTES = (*images.ROUTES, *operations.ROUTES, *metadefs.ROUTES)
