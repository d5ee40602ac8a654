"""Compute's error body: `{"itemNotFound": {"code": 404, "message": "…"}}`."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import ApiError

_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Under a name by status; 406 has the older form with the versions there are, as the original."""
    if error.status == 406 and "max_version" in error.details:
        versions = {key: error.details[key] for key in ("max_version", "min_version")}
        return {
            "errors": [
                {
                    "request_id": request_id,
                    "code": "",
                    "status": 406,
                    "title": error.title,
                    "detail": error.message,
                    "links": [],
                    **versions,
                }
            ]
        }
    return {_NAMES.get(error.status, "computeFault"): {"code": error.status, "message": error.message}}
