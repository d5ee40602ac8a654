"""Version documents."""

from __future__ import annotations

from cumulet.compute.handlers.versions import Versions
from cumulet.compute.microversions import VERSIONS
from cumulet.kernel.http import Route

_versions = Versions(VERSIONS)
ROUTES = (
    Route("GET", "/", _versions.index, public=True),
    Route("GET", "/v2", _versions.show_old, public=True),
    Route("GET", "/v2.1", _versions.show, public=True),
)
