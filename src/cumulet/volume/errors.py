"""Volume's error body: `{"itemNotFound": {"code": 404, "message": "…"}}`."""

from __future__ import annotations

from typing import Any, Final

from cumulet.kernel.errors import ApiError, NotFound

_NAMES: Final = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class OverLimit(ApiError):
    """A quota is used up: 413, as clients of Volume expect."""

    status = 413

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "0"})


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Under a name by status; what has no name of its own (406, 500) is a computeFault, as in the original."""
    inner: dict[str, Any] = {"code": error.status, "message": error.message}
    if isinstance(error, OverLimit):
        inner["retryAfter"] = "0"
    return {_NAMES.get(error.status, "computeFault"): inner}


def not_found(noun: str, identifier: object) -> NotFound:
    """`Volume 7 could not be found.`"""
    return NotFound(f"{noun} {identifier} could not be found.")
