"""Placement's error body and its published error codes.

`{"errors": [{"status", "title", "detail", "code" (since 1.23), "request_id"}]}`, as the
API SIG's guideline on errors has it.
"""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import ApiError, BadRequest, Conflict, NotFound

UNDEFINED = "placement.undefined_code"
INVENTORY_IN_USE = "placement.inventory.inuse"
CONCURRENT_UPDATE = "placement.concurrent_update"
DUPLICATE_NAME = "placement.duplicate_name"
PROVIDER_IN_USE = "placement.resource_provider.inuse"
CANNOT_DELETE_PARENT = "placement.resource_provider.cannot_delete_parent"
PROVIDER_NOT_FOUND = "placement.resource_provider.not_found"
DUPLICATE_KEY = "placement.query.duplicate_key"
BAD_VALUE = "placement.query.bad_value"
MISSING_VALUE = "placement.query.missing_value"

_CODES_SINCE = (1, 23)
# The general sentence that stands before the particular one in every `detail`, as clients have always printed it.
_PREFACE = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    406: "The resource could not be generated that was acceptable to your browser.",
    409: "There was a conflict when trying to complete your request.",
    415: "The request media type is not supported by this server.",
}


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    if error.status == 401:
        # The token middleware of the original answers this one, in Identity's form.
        return {"error": {"code": 401, "title": error.title, "message": error.message}}
    body: dict[str, Any] = {"status": error.status, "title": error.title, "detail": _detail(error)}
    if error.version is not None and error.version >= _CODES_SINCE:
        body["code"] = error.code or UNDEFINED
    body["request_id"] = request_id
    body.update(error.details)
    return {"errors": [body]}


def _detail(error: ApiError) -> str:
    preface = _PREFACE.get(error.status)
    return error.message if preface in (None, error.message) else f"{preface}\n\n {error.message}  "


def no_provider(uuid: str) -> NotFound:
    return NotFound(f"No resource provider with uuid {uuid} found")


def conflict(message: str, code: str = CONCURRENT_UPDATE) -> Conflict:
    """409; by default the one that tells a client to read again and retry."""
    return Conflict(message, code=code)


def bad_value(message: str) -> BadRequest:
    """400 for a query parameter whose form is right and whose value is not."""
    return BadRequest(message, code=BAD_VALUE)
