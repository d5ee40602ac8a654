"""An object store in a thread: what the Object Storage API v1 says of containers, objects, sums and listings.

It gives tokens too (Identity API v3), which it can forget, and has faults to order. Objects are in a dictionary, where
a test can damage them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

USER, PASSWORD, ACCOUNT = "cinder", "secret", "/v1/AUTH_service"
_PAGE = 3


class ObjectServer(ThreadingHTTPServer):
    """`objects`: bytes by `container/name`. `faults`: statuses that the next requests are answered with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.containers: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.faults: list[int] = []
        self.alters_uploads = False
        self.serves_objects = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[ObjectServer]:
    server = ObjectServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=30)


class _Handler(BaseHTTPRequestHandler):
    server: ObjectServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Not to the tests' output."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        asked = json.loads(self._body())["auth"]["identity"]["password"]["user"]
        if (self.path, asked["name"], asked["password"]) != ("/v3/auth/tokens", USER, PASSWORD):
            return self._answer(401)
        token = f"token-{len(self.server.tokens)}-{id(asked)}"
        self.server.tokens.add(token)
        url = self.server.url + ACCOUNT
        entry = {"type": "object-store", "endpoints": [{"interface": "public", "region_id": "r", "url": url}]}
        catalog = [entry] if self.server.serves_objects else []
        return self._answer(201, json.dumps({"token": {"catalog": catalog}}).encode(), X_Subject_Token=token)

    def _place(self) -> tuple[str, str, dict[str, str]] | None:
        """Container, object and query of a request that may go on; None when it was answered."""
        parts = urlsplit(self.path)
        if self.server.faults:
            self._body()
            self._answer(self.server.faults.pop(0))
        elif self.headers.get("X-Auth-Token") not in self.server.tokens:
            self._body()
            self._answer(401)
        else:
            container, _, name = unquote(parts.path.removeprefix(ACCOUNT + "/")).partition("/")
            return container, name, {key: values[0] for key, values in parse_qs(parts.query).items()}
        return None

    def do_PUT(self) -> None:
        place = self._place()
        if place is None:
            return None
        container, name, _ = place
        data = self._body()
        if not name:
            self.server.containers.add(container)
            return self._answer(202)
        if self.server.alters_uploads:
            data = data[:-1] + bytes([data[-1] ^ 1])
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if container not in self.server.containers or self.headers.get("ETag", etag) != etag:
            return self._answer(404 if container not in self.server.containers else 422)
        self.server.objects[f"{container}/{name}"] = data
        return self._answer(201, ETag=etag)

    def do_GET(self) -> None:
        place = self._place()
        if place is None:
            return None
        container, name, query = place
        if name:
            found = self.server.objects.get(f"{container}/{name}")
            return self._answer(404) if found is None else self._answer(200, found)
        if container not in self.server.containers:
            return self._answer(404)
        names = sorted(each.partition("/")[2] for each in self.server.objects if each.startswith(f"{container}/"))
        page = [each for each in names if each.startswith(query["prefix"]) and each > query.get("marker", "")]
        return self._answer(200, json.dumps([{"name": each} for each in page[:_PAGE]]).encode())

    def do_DELETE(self) -> None:
        place = self._place()
        if place is None:
            return None
        gone = self.server.objects.pop("/".join(place[:2]), None)
        return self._answer(404 if gone is None else 204)
