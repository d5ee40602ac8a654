"""Network's error body: `{"NeutronError": {"type": "PortNotFound", "message": "…", "detail": ""}}`.

Clients branch on `type`, so every refusal carries the published name as `code`.
"""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import ApiError, BadRequest, Conflict, Forbidden, NotFound

_BY_STATUS = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "HTTPForbidden",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    406: "HTTPNotAcceptable",
    409: "HTTPConflict",
    412: "HTTPPreconditionFailed",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    500: "HTTPInternalServerError",
    501: "HTTPNotImplemented",
    503: "HTTPServiceUnavailable",
}


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    kind = error.code or _BY_STATUS.get(error.status, "HTTPError")
    return {"NeutronError": {"type": kind, "message": error.message, "detail": str(error.details.get("detail", ""))}}


def bad_request(message: str, kind: str = "HTTPBadRequest") -> BadRequest:
    return BadRequest(message, code=kind)


def invalid_input(message: str) -> BadRequest:
    """The original's `InvalidInput`: `Invalid input for operation: <message>.`"""
    return BadRequest(f"Invalid input for operation: {message}.", code="InvalidInput")


def not_found(kind: str, noun: str, identifier: str) -> NotFound:
    """`not_found("PortNotFound", "Port", id)`: `Port <id> could not be found.`"""
    return NotFound(f"{noun} {identifier} could not be found.", code=kind)


def conflict(kind: str, message: str) -> Conflict:
    return Conflict(message, code=kind)


def forbidden(rule: str) -> Forbidden:
    """`rule` as the original's rules are written: `rule:a`, or several of them: `rule:a and rule:b`."""
    text = f"({rule})" if " and " in rule else rule
    return Forbidden(f"{text} is disallowed by policy", code="PolicyNotAuthorized")
