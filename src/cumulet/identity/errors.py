"""Identity's error body: `{"error": {"code": 404, "message": "…", "title": "Not Found"}}`."""

from __future__ import annotations

from typing import Any

from cumulet.kernel.errors import ApiError, BadRequest, Forbidden, NotFound, Unauthorized


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.status, "message": error.message, "title": error.title}
    body.update(error.details)
    return {"error": body}


def not_found(kind: str, identifier: str) -> NotFound:
    """The original's sentence for a missing thing: `Could not find user: 1234.`"""
    return NotFound(f"Could not find {kind}: {identifier}.")


def forbidden(rule: str) -> Forbidden:
    """The original's sentence for a rule that refused."""
    return Forbidden(f"You are not authorized to perform the requested action: {rule}.")


def expected(attribute: str, target: str) -> BadRequest:
    """The original's sentence for something missing: `Expecting to find domain in user. …`"""
    return BadRequest(
        f"Expecting to find {attribute} in {target}. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )


def unauthorized() -> Unauthorized:
    """The original's sentence for every failed login, whatever the reason: it must not tell who or what exists."""
    return Unauthorized("The request you have made requires authentication.")
