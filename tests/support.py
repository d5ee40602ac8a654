"""What tests of a service stand on: the real application, asked through WSGI, with tokens of the test's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cumulet.kernel.client import Response, Transport
from cumulet.kernel.context import Context

BASE = "http://cloud.test:1"


class StaticVerifier:
    """Knows the tokens it was given and no others."""

    def __init__(self, **tokens: Context) -> None:
        self.tokens = tokens

    def verify(self, token: str, *, asked_by: str | None = None) -> Context | None:
        return self.tokens.get(token)


def caller(*roles: str, project_id: str | None = "project", **rest: Any) -> Context:
    return Context(user_id=rest.pop("user_id", "user"), project_id=project_id, roles=roles, **rest)


class Client:
    """`client.get("/v3/regions", token="admin")`; `headers` are sent with every call."""

    def __init__(self, app: Callable[..., Iterable[bytes]], **headers: str) -> None:
        self._transport = Transport(local={BASE: app})
        self.headers = headers

    def request(
        self, method: str, path: str, *, token: str | None = None, headers: Any = None, **rest: Any
    ) -> Response:
        sent = {**self.headers, **(headers or {})}
        if token is not None:
            sent["X-Auth-Token"] = token
        return self._transport.request(method, BASE + path, headers=sent, **rest)

    def get(self, path: str, **rest: Any) -> Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, json: Any = None, **rest: Any) -> Response:
        return self.request("POST", path, json=json, **rest)

    def put(self, path: str, json: Any = None, **rest: Any) -> Response:
        return self.request("PUT", path, json=json, **rest)

    def patch(self, path: str, json: Any = None, **rest: Any) -> Response:
        return self.request("PATCH", path, json=json, **rest)

    def delete(self, path: str, **rest: Any) -> Response:
        return self.request("DELETE", path, **rest)

    def head(self, path: str, **rest: Any) -> Response:
        return self.request("HEAD", path, **rest)
