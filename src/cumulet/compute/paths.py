"""Old catalogs say `http://host:8774/v2.1/%(project_id)s`: the project's id in a path is taken out before routing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from cumulet.kernel.request_ids import with_compute_name

_PROJECT: Final = re.compile(r"^/(v2(?:\.1)?)/([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(/.*)?$")
_ROOTS: Final = ("/", "/v2/", "/v2.1/")
Wsgi = Callable[..., Iterable[bytes]]


class ProjectPaths:
    """A WSGI wrapper. `/v2` is served as `/v2.1`; the id is kept in the environ for the handler's own check."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        match = _PROJECT.match(path)
        if match is not None:
            environ["cumulet.path_project"] = match[2]
            environ["PATH_INFO"] = f"/v2.1{match[3] or '/'}"
        elif path.startswith("/v2/") and len(path) > 4:
            environ["PATH_INFO"] = f"/v2.1{path[3:]}"
        if environ.get("PATH_INFO", "").endswith("/") and environ["PATH_INFO"] not in _ROOTS:
            # One without an id, of which there is none, and not the list: no route has such a path.
            environ["PATH_INFO"] += "-/-"
        return self._app(environ, with_compute_name(start_response))
