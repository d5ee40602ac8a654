"""`/v3/{project_id}/volumes`: the project's id is taken out before routing and compared with the caller's.

From microversion 3.67 on clients may leave it out, so both forms are served at every version, as in the original.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import falcon

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Authenticator
from cumulet.kernel.request_ids import with_compute_name

_PROJECT: Final = re.compile(r"^/v3/([0-9a-f-]{5,64})(/.*)?$")
_KEY: Final = "cumulet.path_project"
Wsgi = Callable[..., Iterable[bytes]]


class ProjectPaths:
    """A WSGI wrapper: routes know paths without a project's id."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        match = _PROJECT.match(path)
        if match is not None:
            environ[_KEY] = match[1]
            path = environ["PATH_INFO"] = f"/v3{match[2] or '/'}"
        if path.endswith("/") and path not in ("/", "/v3/"):
            # `/volumes/` is a volume without an id, of which there is none, and not the list.
            environ["PATH_INFO"] = f"{path}-/-"
        return self._app(environ, with_compute_name(start_response))


class SameProject:
    """Authenticates, then refuses paths that name another project than the caller's."""

    def __init__(self, authenticate: Authenticator) -> None:
        self._authenticate = authenticate

    def __call__(self, req: falcon.Request, *, required: bool) -> Context:
        ctx = self._authenticate(req, required=required)
        named = req.env.get(_KEY)
        if required and named is not None and named != ctx.project_id:
            raise BadRequest("Malformed request url")
        return ctx


def path_project(req: falcon.Request) -> str | None:
    """The project's id that the client wrote into the path."""
    found: str | None = req.env.get(_KEY)
    return found
