"""Who calls Identity: the same checks as `kernel.auth`, in process, without asking ourselves through HTTP.

Headers in which a client claims an identity are never read.
"""

from __future__ import annotations

import hmac

import falcon
import msgspec

from cumulet.identity.domain import tokens
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.errors import unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.kernel.auth import path_matches
from cumulet.kernel.context import Context
from cumulet.kernel.errors import ApiError, Forbidden

SERVICE_TYPE = "identity"
TOKENS = "/v3/auth/tokens"
_ANONYMOUS = Context()


def challenge(identity: Identity, req: falcon.Request) -> dict[str, str]:
    """The header that tells a client where to log in."""
    base = identity.conf.public_endpoint or str(req.prefix)
    return {"WWW-Authenticate": f'Keystone uri="{base.rstrip("/")}/v3"'}


class Authenticate:
    """The `authenticate` of Identity's own API. Operations that are public look at no token at all."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._admin_token = (identity.conf.admin_token or "").encode()

    def __call__(self, req: falcon.Request, *, required: bool) -> Context:
        if not required:
            return msgspec.structs.replace(_ANONYMOUS)
        try:
            return self._caller(req)
        except ApiError as error:
            if error.status == 401:
                error.headers.update(challenge(self._identity, req))
            raise

    def _caller(self, req: falcon.Request) -> Context:
        token = req.get_header("X-Auth-Token")
        if not token:
            raise unauthorized()
        if self._is_admin_token(token):
            return Context(auth_token=token, roles=("admin",))
        identity = self._identity
        service_token = req.get_header("X-Service-Token")
        with tokens.reading(identity) as reader:
            record = _good(reader, token)
            service = _good(reader, service_token) if service_token else None
        # Handlers that ask about tokens go on under the generation this request began with.
        req.context.generation = reader.generation
        ctx = msgspec.structs.replace(record.caller)
        if service is not None:
            ctx.service_roles, ctx.service_user_id = service.caller.roles, service.caller.user_id
        limited = record.restricted_access or "ec2credential" in record.payload.methods
        if limited and not _asks_about_itself(req, token):
            _check_limits(record, ctx, req)
        return ctx

    def _is_admin_token(self, token: str) -> bool:
        wanted = self._admin_token
        return bool(wanted) and hmac.compare_digest(wanted, token.encode("utf-8", "surrogateescape"))


def _good(reader: Reader, token: str) -> TokenRecord:
    record = tokens.find(reader, token)
    if record is None:
        raise unauthorized()
    return record


def _asks_about_itself(req: falcon.Request, token: str) -> bool:
    """How services check the tokens that come to them; it tells the holder what the holder has."""
    return req.method in ("GET", "HEAD") and req.path == TOKENS and req.get_header("X-Subject-Token") == token


def _check_limits(record: TokenRecord, ctx: Context, req: falcon.Request) -> None:
    """Raises Forbidden for an EC2 credential's token, Unauthorized for what access rules leave out."""
    if "ec2credential" in record.payload.methods:
        raise Forbidden("You are not authorized to perform the requested action.")
    if not _rules_allow(record, ctx, req):
        raise unauthorized()


def _rules_allow(record: TokenRecord, ctx: Context, req: falcon.Request) -> bool:
    if "service" in ctx.service_roles:
        return True
    return any(
        rule["service"] == SERVICE_TYPE and rule["method"] == req.method and path_matches(rule["path"], req.path)
        for rule in record.document["application_credential"]["access_rules"]
    )
