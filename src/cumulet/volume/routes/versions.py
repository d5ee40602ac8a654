"""Version documents."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import versions

ROUTES = (
    Route("GET", "/", versions.index, public=True),
    Route("GET", "/v3", versions.show, public=True),
)
