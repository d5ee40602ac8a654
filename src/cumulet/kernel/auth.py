"""Who is calling: the token of a request becomes a Context, asked of Identity through its public API.

Headers in which a client claims an identity (X-User-Id, X-Roles, …) are never read anywhere.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol

import falcon
import msgspec

from cumulet.kernel.client import Response, Transport, Unreachable
from cumulet.kernel.context import Context
from cumulet.kernel.errors import ServiceUnavailable, Unauthorized

_decode = msgspec.json.Decoder().decode


class Verifier(Protocol):
    def verify(self, token: str, *, asked_by: str | None = None) -> Context | None:
        """The caller that a token stands for, None for a bad one. The Context is the receiver's own copy.

        A service that asks with its own token (`asked_by`) is also told of one that expired not long ago.
        """


def context_of(token_id: str, body: Mapping[str, Any]) -> Context:
    """A Context from a token's body (the `token` object that `GET /v3/auth/tokens` answers with)."""
    user = body["user"]
    project = body.get("project") or {}
    domain = body.get("domain") or {}
    trust = body.get("OS-TRUST:trust") or {}
    application_credential = body.get("application_credential") or {}
    return Context(
        auth_token=token_id,
        user_id=user["id"],
        user_name=user.get("name"),
        user_domain_id=(user.get("domain") or {}).get("id"),
        project_id=project.get("id"),
        project_name=project.get("name"),
        project_domain_id=(project.get("domain") or {}).get("id"),
        domain_id=domain.get("id"),
        domain_name=domain.get("name"),
        system_scope="all" if (body.get("system") or {}).get("all") else None,
        roles=tuple(role["name"] for role in body.get("roles") or ()),
        is_admin_project=body.get("is_admin_project", True),
        trust_id=trust.get("id"),
        trustor_id=(trust.get("trustor_user") or {}).get("id"),
        application_credential_id=application_credential.get("id"),
        token=dict(body),
    )


class _Known(NamedTuple):
    """A good token: how long (monotonic) its answer holds unasked, or who tells whether it does."""

    until: float
    still: Callable[[], bool] | None
    body: bytes
    caller: Context


class IdentityVerifier:
    """Asks Identity about every token.

    Identity in the same process (`remember_s` 0) is asked at every request, so a revocation counts from the next
    request on: whether its answer still holds (`Response.still`), and for another one if not. Over a socket an answer
    is kept `remember_s` seconds, at most 1.
    """

    def __init__(self, transport: Transport, auth_url: str, *, remember_s: float = 0.0, capacity: int = 4096) -> None:
        self._transport = transport
        # Nobody reads the catalog there, and it would be most of every answer.
        self._url = f"{auth_url}/auth/tokens?nocatalog"
        self._remember = min(remember_s, 1.0)
        self._capacity = capacity
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()

    def verify(self, token: str, *, asked_by: str | None = None) -> Context | None:
        if asked_by is not None:
            answer = self._ask(token, asked_by, "&allow_expired=1")
            return context_of(token, _decode(answer.body)["token"]) if answer.status == 200 else None
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(key)
        now = time.monotonic()
        if known is not None and (now < known.until or (known.still is not None and known.still())):
            return msgspec.structs.replace(known.caller)
        answer = self._ask(token, token)
        if answer.status != 200:
            with self._lock:
                self._known.pop(key, None)
            return None
        if known is not None and known.body == answer.body:
            ctx = known.caller
        else:
            ctx = context_of(token, _decode(answer.body)["token"])
        with self._lock:
            if len(self._known) >= self._capacity:
                self._known.pop(next(iter(self._known)))
            self._known[key] = _Known(now + self._remember, answer.still, answer.body, ctx)
        return msgspec.structs.replace(ctx)

    def _ask(self, subject: str, token: str, query: str = "") -> Response:
        """What Identity says of a token. Raises ServiceUnavailable when it says nothing."""
        # TokenAuthenticator keeps access rules, so they may be told.
        headers = {"X-Auth-Token": token, "X-Subject-Token": subject, "OpenStack-Identity-Access-Rules": "1.0"}
        try:
            answer = self._transport.request("GET", self._url + query, headers=headers, timeout_s=30)
        except Unreachable:
            raise ServiceUnavailable("The Identity service does not answer, so no token can be checked.") from None
        if answer.status >= 500:
            raise ServiceUnavailable("The Identity service cannot check tokens right now.")
        return answer


class TokenAuthenticator:
    """The `authenticate` of a service: `X-Auth-Token`, `X-Service-Token`, and an application credential's access rules.

    `service_types` are the names under which access rules may mean this service.
    """

    def __init__(self, verifier: Verifier, *, service_types: tuple[str, ...], www_authenticate: str) -> None:
        self._verifier = verifier
        self._types = service_types
        self._challenge = {"WWW-Authenticate": f'Keystone uri="{www_authenticate}"'}

    def __call__(self, req: falcon.Request, *, required: bool) -> Context:
        token = req.get_header("X-Auth-Token")
        if not token:
            if required:
                raise Unauthorized("The request you have made requires authentication.", headers=self._challenge)
            return Context()
        ctx = self._verifier.verify(token)
        service_token = req.get_header("X-Service-Token")
        service = self._service(service_token) if service_token else None
        if ctx is None and service is not None and "service" in service.roles:
            # A service finishes what began while the user's token was still good.
            ctx = self._verifier.verify(token, asked_by=service_token)
        if ctx is None:
            if required:
                raise Unauthorized("The request you have made requires authentication.", headers=self._challenge)
            return Context()
        if service is not None:
            ctx.service_roles, ctx.service_user_id = service.roles, service.user_id
        if ctx.application_credential_id is not None and not self._rules_allow(ctx, req):
            raise Unauthorized(
                "The application credential's access rules do not allow this request.", headers=self._challenge
            )
        return ctx

    def _service(self, token: str) -> Context:
        service = self._verifier.verify(token)
        if service is None:
            raise Unauthorized("The service token is not valid.", headers=self._challenge)
        return service

    def _rules_allow(self, ctx: Context, req: falcon.Request) -> bool:
        """Access rules as the Identity API reference gives them: `*` one segment, `**` the rest, `{x}` one segment."""
        rules = ((ctx.token or {}).get("application_credential") or {}).get("access_rules")
        if rules is None or "service" in ctx.service_roles:
            return True
        return any(
            rule.get("service") in self._types
            and rule.get("method") == req.method
            and path_matches(str(rule.get("path", "")), req.path)
            for rule in rules
        )


def path_matches(pattern: str, path: str) -> bool:
    """Whether a request path fits an access rule's path pattern."""
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    for index, part in enumerate(wanted):
        if part == "**":
            return True
        if index >= len(given):
            return False
        if part.startswith("{") and part.endswith("}"):
            continue
        if not fnmatchcase(given[index], part):
            return False
    return len(wanted) == len(given)
