"""The version documents: `/` and every path outside of the API answer 300 with them, `/versions` 200.

A version in the path is a choice among those listed and always means version 2: `/v2.9/images` is `/v2/images`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cumulet.image.service import ImageService
from cumulet.kernel.errors import NotFound
from cumulet.kernel.http import Call, Reply

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_encode = msgspec.json.Encoder().encode
_STORES = ("2.13", "2.12", "2.11", "2.10", "2.9", "2.8")
_PLAIN = ("2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0")


def listed(service: ImageService) -> list[tuple[str, str]]:
    """(version, status) in the original's order: what is listed depends on what is configured."""
    cached = service.cache is not None
    newest = ("2.18", "2.17", "2.16", "2.15", "2.14") if cached else ("2.15",)
    stores = _STORES if service.stores.multiple else ("2.9",)
    order = (*newest, *stores, *(() if cached else ("2.17",)), *_PLAIN)
    current = "2.18" if cached else "2.17"
    return [(version, "CURRENT" if version == current else "SUPPORTED") for version in order]


def document(service: ImageService, base_url: str) -> dict[str, Any]:
    href = f"{(service.conf.public_endpoint or base_url).rstrip('/')}/v2/"
    return {
        "versions": [
            {"id": f"v{version}", "status": status, "links": [{"rel": "self", "href": href}]}
            for version, status in listed(service)
        ]
    }


def choices(call: Call[ImageService]) -> Reply:
    return Reply(document(call.service, call.base_url), 300)


def index(call: Call[ImageService]) -> Reply:
    return Reply(document(call.service, call.base_url))


def root(call: Call[ImageService]) -> Reply:
    """`/v2` leads to `/v2/`, where nothing is."""
    if str(call.req.env.get("PATH_INFO", "")).endswith("/"):
        raise NotFound("The resource could not be found.")
    return Reply(b"", 302, {"Location": f"{call.base_url}/v2/"}, content_type="text/plain; charset=UTF-8")


def negotiated(app: Wsgi, service: ImageService) -> Wsgi:
    """Put the version choice in front of the application."""
    versions = frozenset(f"v{version}" for version, _ in listed(service))
    other = frozenset({"v2", "versions", "healthcheck", "metrics", ""})

    def choose(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/v2/"):
            if path.endswith("/") and len(path) > len("/v2/"):
                environ["PATH_INFO"] = "/v2/-"  # an empty name is not the collection: nothing is there
        else:
            head, slash, rest = path.lstrip("/").partition("/")
            if head in versions:
                environ["PATH_INFO"] = f"/v2{slash}{rest}"
            elif head not in other:
                environ["PATH_INFO"] = "/"
                environ["REQUEST_METHOD"] = "GET"
        return app(environ, start_response)

    return choose
