"""`/v3/OS-OAUTH2/token`: OAuth 2.0 client credentials (RFC 6749, 4.4), where the client is an application credential.

Refusals have OAuth's form, `{"error": …, "error_description": …}`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote

from cumulet.identity.authenticate import challenge
from cumulet.identity.domain import login
from cumulet.identity.domain.login_request import ByApplicationCredential, LoginRequest
from cumulet.identity.service import Identity
from cumulet.kernel import bodies
from cumulet.kernel.errors import ApiError, BadRequest
from cumulet.kernel.http import Call, Reply

_LIMIT = 16384  # bytes of a form
_FAILED = "Client authentication failed."


def _refusal(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply({"error": error, "error_description": description}, status, headers)


def create(call: Call[Identity]) -> Reply:
    form = _form(call)
    grant = form.get("grant_type")
    if grant is None:
        return _refusal(400, "invalid_request", "The parameter grant_type is required.")
    if grant != "client_credentials":
        return _refusal(400, "unsupported_grant_type", f"The parameter grant_type {grant} is not supported.")
    client_id, secret = _client(call, form)
    offered = "client_secret_basic" in call.service.conf.oauth2.oauth2_authn_methods
    if not client_id or not secret or not offered:
        return _unknown_client(call)
    proof = ByApplicationCredential(client_id, None, None, secret)
    try:
        text, record = login.log_in(call.service, LoginRequest({"application_credential": proof}))
    except ApiError as error:
        if error.status == 401:
            return _unknown_client(call)
        kind = "invalid_request" if error.status == 400 else "other_error"
        return _refusal(error.status, kind, error.message)
    seconds = (record.payload.expires_at - call.service.now()) // 1_000_000
    return Reply(
        {"access_token": text, "token_type": "Bearer", "expires_in": max(0, seconds)},
        200,
        {"Cache-Control": "no-store"},
    )


def _unknown_client(call: Call[Identity]) -> Reply:
    return _refusal(401, "invalid_client", _FAILED, challenge(call.service, call.req))


def _form(call: Call[Identity]) -> dict[str, str]:
    data = call.req.bounded_stream.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise BadRequest(f"Request is too large: at most {_LIMIT} bytes are accepted.")
    try:
        values = bodies.query_values(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRequest("The form is not valid UTF-8.") from None
    return {name: given[-1] for name, given in values.items()}


def _client(call: Call[Identity], form: dict[str, str]) -> tuple[str | None, str | None]:
    """Its id and secret: of HTTP Basic, where they are form-encoded, else of the form."""
    kind, _, value = (call.header("Authorization") or "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, None
        return (unquote(name), unquote(secret)) if colon else (None, None)
    return form.get("client_id"), form.get("client_secret")


def refuse_method(call: Call[Identity], **_: Any) -> Reply:
    return _refusal(405, "other_error", "The method is not allowed for the requested URL.", {"Allow": "POST"})
