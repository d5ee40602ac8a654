"""Attachments."""

from __future__ import annotations

from cumulet.kernel.http import Handler, Route
from cumulet.volume.handlers import attachments

_ONE = "/v3/attachments/{attachment_id}"


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, since=(3, 27))


ROUTES = (
    _route("GET", "/v3/attachments", attachments.index),
    _route("POST", "/v3/attachments", attachments.create),
    _route("GET", "/v3/attachments/detail", attachments.detail),
    _route("GET", _ONE, attachments.show),
    _route("PUT", _ONE, attachments.update),
    _route("DELETE", _ONE, attachments.delete),
    Route("POST", f"{_ONE}/action", attachments.act, since=(3, 44)),
)
