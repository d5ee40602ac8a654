"""`/v3/OS-OAUTH1/request_token`, `authorize`, `access_token` and users' access tokens (Identity API v3, OS-OAUTH1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cumulet.identity import views
from cumulet.identity.domain import delegation, oauth1_signatures, oauth1_tokens
from cumulet.identity.domain.oauth1_signatures import SignedRequest
from cumulet.identity.errors import expected
from cumulet.identity.schemas.oauth1 import AuthorizeBody
from cumulet.identity.service import Identity
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 1 << 16


def signed_request(call: Call[Identity]) -> SignedRequest:
    """This request with its OAuth parameters, its signature not yet looked at. Raises BadRequest."""
    parameters = [(key, value) for key, values in call.query().items() for value in values]
    if (call.req.content_type or "").partition(";")[0].strip().lower() == _FORM:
        form = call.req.bounded_stream.read(_MAX_FORM)
        parameters += parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True)
    return oauth1_signatures.parse(call.req.method, _url(call), call.header("Authorization"), parameters)


def _url(call: Call[Identity]) -> str:
    """As the client wrote it: behind a proxy that ends TLS, `[DEFAULT] public_endpoint` knows the scheme."""
    parts = urlsplit(call.base_url + call.req.path)
    public = call.service.conf.public_endpoint
    return urlunsplit((urlsplit(public).scheme if public else parts.scheme, *parts[1:]))


def create_request_token(call: Call[Identity]) -> Reply:
    request = signed_request(call)
    request["oauth_consumer_key"]
    project_id = call.header("Requested-Project-Id")
    if not project_id:
        raise expected("Requested-Project-Id", "request")
    return _secrets(oauth1_tokens.create_request_token(call.service, request, project_id))


def create_access_token(call: Call[Identity]) -> Reply:
    return _secrets(oauth1_tokens.create_access_token(call.service, signed_request(call)))


def _secrets(token: dict[str, Any]) -> Reply:
    answer = {"oauth_token": token["id"], "oauth_token_secret": token["secret"]}
    if token["expires_at"] is not None:
        answer["oauth_expires_at"] = iso_micro(token["expires_at"])
    return Reply(urlencode(answer, safe=":").encode(), 201, content_type=_FORM)


def authorize(call: Call[Identity], request_token_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:authorize_request_token")
    # A grant that the user gave away must not make another one.
    delegation.refuse(call.service, call.ctx, "Cannot authorize a request token with a token issued via delegation.")
    wanted = [(role.id, role.name) for role in call.json(AuthorizeBody).roles]
    for index, pair in enumerate(wanted):
        if (pair[0] is None) == (pair[1] is None):
            raise BadRequest(f"Invalid input for field 'roles[{index}]': exactly one of id and name is to be given.")
    verifier = oauth1_tokens.authorize(call.service, request_token_id, call.ctx.user_id or "", wanted)
    return Reply({"token": {"oauth_verifier": verifier}})


def _view(call: Call[Identity], token: oauth1_tokens.AccessToken) -> dict[str, Any]:
    base = views.self_url(call, f"users/{token['authorizing_user_id']}/OS-OAUTH1/access_tokens/{token['id']}")
    shown = {name: token[name] for name in ("id", "authorizing_user_id", "project_id", "consumer_id")}
    expires_at = None if token["expires_at"] is None else iso_micro(token["expires_at"])
    return {**shown, "expires_at": expires_at, "links": {"roles": f"{base}/roles", "self": base}}


def index(call: Call[Identity], user_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_access_tokens")
    delegation.refuse(call.service, call.ctx, "identity:list_access_tokens")
    found = [_view(call, token) for token in oauth1_tokens.find(call.service, user_id)]
    return Reply(views.collection(call, "access_tokens", found))


def show(call: Call[Identity], user_id: str, access_token_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_access_token")
    delegation.refuse(call.service, call.ctx, "identity:get_access_token")
    return Reply({"access_token": _view(call, oauth1_tokens.show(call.service, user_id, access_token_id))})


def delete(call: Call[Identity], user_id: str, access_token_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:delete_access_token", {"user_id": user_id})
    delegation.refuse(call.service, call.ctx, "identity:delete_access_token")
    oauth1_tokens.delete(call.service, user_id, access_token_id)
    return NO_CONTENT


def _role(call: Call[Identity], role: dict[str, Any]) -> dict[str, Any]:
    shown = {name: role[name] for name in ("id", "name", "domain_id", "options")}
    return views.with_self(call, "roles", shown)


def roles_of(call: Call[Identity], user_id: str, access_token_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:list_access_token_roles")
    found = oauth1_tokens.roles_of(call.service, user_id, access_token_id)
    return Reply(views.collection(call, "roles", [_role(call, role) for role in found]))


def role_of(call: Call[Identity], user_id: str, access_token_id: str, role_id: str) -> Reply:
    call.service.policy.can(call.ctx, "identity:get_access_token_role")
    (role,) = oauth1_tokens.roles_of(call.service, user_id, access_token_id, role_id)
    return Reply({"role": _role(call, role)})
