"""Calls from one service to another, only through their public APIs.

A service that lives in the same process is handed the request as a WSGI call instead of through a socket; nothing else
changes, so every service can also be installed alone.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec
import urllib3

from cumulet.kernel.context import current_request

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_TOKEN_GOOD_S = 1800.0
_CATALOG_GOOD_S = 5.0  # how long one is believed that lacks what is looked for
STILL = "cumulet.still"
"""The WSGI environment's key under which a service in the same process leaves `Response.still`."""


@dataclass(frozen=True)
class Response:
    """An answer: header names are lower case.

    `still` is only given by services in the same process, and by few of them: whether the same question would be
    answered the same now, which costs far less than to ask again.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    still: Callable[[], bool] | None = None

    def json(self) -> Any:
        return _decode(self.body)


class Unreachable(Exception):
    """The other service did not answer at all."""


@dataclass
class Transport:
    """Sends requests: to WSGI callables for the base URLs in `local`, over sockets otherwise."""

    local: dict[str, Wsgi] = field(default_factory=dict)
    timeout_s: float = 60.0
    ca_file: str | None = None

    def __post_init__(self) -> None:
        self._pool: urllib3.PoolManager | None = None
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """Raises Unreachable when there is no answer; every answer, also a refusal, is returned."""
        sent = dict(headers or {})
        if json is not None:
            data = _encode(json)
            sent.setdefault("Content-Type", "application/json")
        ids = current_request.get()
        if ids is not None:
            sent.setdefault("X-Openstack-Request-Id", ids[1] or ids[0])
        for base, app in self.local.items():
            if url.startswith(base) and url[len(base) : len(base) + 1] in ("", "/", "?"):
                return _call_wsgi(app, base, method, url, sent, data or b"")
        try:
            answer = self._sockets().request(
                method, url, headers=sent, body=data, timeout=timeout_s or self.timeout_s, redirect=False, retries=1
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{method} {url}: {error}") from error
        return Response(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.data)

    def _sockets(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                options: dict[str, Any] = {"ca_certs": self.ca_file} if self.ca_file else {}
                self._pool = urllib3.PoolManager(maxsize=16, **options)
            return self._pool


def _call_wsgi(app: Wsgi, base: str, method: str, url: str, headers: Mapping[str, str], data: bytes) -> Response:
    root, parts = urlsplit(base), urlsplit(url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": root.path.rstrip("/"),
        "PATH_INFO": unquote(parts.path[len(root.path.rstrip("/")) :] or "/", "latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": root.hostname or "localhost",
        "SERVER_PORT": str(root.port or (443 if root.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": root.netloc,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": root.scheme,
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    started: list[tuple[str, list[tuple[str, str]]]] = []
    saved = current_request.get()
    try:
        chunks = app(environ, lambda status, sent, exc_info=None: started.append((status, sent)))
        body = b"".join(chunks)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    finally:
        current_request.set(saved)
    status, sent = started[-1]
    return Response(int(status[:3]), {k.lower(): v for k, v in sent}, body, environ.get(STILL))


@dataclass
class Session:
    """A service's own login: asks Identity for a token, finds endpoints in the catalog, renews both when needed.

    `other_password` is tried when Identity refuses `password`; from then on they have changed places.
    """

    transport: Transport
    auth_url: str  # ends in /v3
    user: str
    password: str
    project: str = "service"
    domain_id: str = "default"
    region: str | None = None
    other_password: str | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = self._logged_in_at = 0.0
        self._catalog: list[dict[str, Any]] = []

    def token(self) -> str:
        """A valid token of the service user. Raises Unreachable when Identity gives none."""
        with self._lock:
            if self._token is None or time.monotonic() > self._renew_at:
                self._login()
            return cast(str, self._token)

    def forget(self) -> None:
        """After a 401: the next call logs in again."""
        with self._lock:
            self._token = None

    def _login(self) -> None:
        answer = self._ask_token()
        if answer.status == 401 and self.other_password is not None:
            self.password, self.other_password = self.other_password, self.password
            answer = self._ask_token()
        if answer.status == 401:
            raise Unreachable(
                f"Identity refused the service user {self.user}; its password belongs into [keystone_authtoken] of "
                f"{self.user}.conf"
            )
        if answer.status != 201:
            raise Unreachable(f"Identity answered {answer.status} when the service user {self.user} logged in")
        self._token = answer.headers["x-subject-token"]
        self._catalog = answer.json()["token"].get("catalog", [])
        self._logged_in_at = time.monotonic()
        self._renew_at = self._logged_in_at + _TOKEN_GOOD_S

    def _ask_token(self) -> Response:
        user = {"name": self.user, "domain": {"id": self.domain_id}, "password": self.password}
        scope = {"project": {"name": self.project, "domain": {"id": self.domain_id}}}
        return self.transport.request(
            "POST",
            f"{self.auth_url}/auth/tokens",
            json={"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}},
        )

    def endpoint(self, *service_types: str, interface: str = "internal") -> str:
        """The URL of the first of these service types in the catalog, without a trailing slash.

        A catalog without it is asked for anew, since services may be registered while others run already. Raises
        LookupError when the catalog has none.
        """
        self.token()
        found = self._in_catalog(service_types, interface)
        if found is None and time.monotonic() > self._logged_in_at + _CATALOG_GOOD_S:
            self.forget()
            self.token()
            found = self._in_catalog(service_types, interface)
        if found is None:
            raise LookupError(f"the catalog has no endpoint of type {' or '.join(service_types)}")
        return found

    def _in_catalog(self, service_types: tuple[str, ...], interface: str) -> str | None:
        for wanted in service_types:
            for entry in self._catalog:
                if entry["type"] != wanted:
                    continue
                for preferred in (interface, "public"):
                    for endpoint in entry["endpoints"]:
                        in_region = self.region is None or endpoint.get("region_id") == self.region
                        if endpoint["interface"] == preferred and in_region:
                            return str(endpoint["url"]).rstrip("/")
        return None

    def request(
        self, method: str, service_type: str, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> Response:
        """One call as the service user, logged in again once when the token was refused."""
        for attempt in (1, 2):
            token = self.token()
            url = self.endpoint(service_type) + path
            answer = self.transport.request(method, url, headers={**(headers or {}), "X-Auth-Token": token}, **rest)
            if answer.status != 401 or attempt == 2:
                return answer
            self.forget()
        raise AssertionError("unreachable")
