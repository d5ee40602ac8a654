"""The error body that Compute and Volume share: `{"itemNotFound": {"code": 404, "message": "…"}}`."""

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


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Under a name by status; what has no name of its own (406, 500) is a computeFault, as in the originals."""
    return {_NAMES.get(error.status, "computeFault"): {"code": error.status, "message": error.message}}


def not_found(noun: str, identifier: object) -> NotFound:
    """`Flavor 7 could not be found.`"""
    return NotFound(f"{noun} {identifier} could not be found.")
