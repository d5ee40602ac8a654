"""`/v3/auth/tokens` (Identity API v3, Authentication and token management)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.authenticate import challenge
from cumulet.identity.domain import login, receipts, revocations, tokens
from cumulet.identity.domain.receipts import MoreMethodsNeeded
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.handlers.login_requests import login_request
from cumulet.identity.service import Identity
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.kernel.clock import iso_micro, parse
from cumulet.kernel.errors import ApiError, BadRequest, Forbidden, Gone
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_SUBJECT = "X-Subject-Token"
_RULES_VERSION = 1.0
_TRUE = frozenset(("1", "t", "true", "on", "y", "yes"))


def create(call: Call[Identity]) -> Reply:
    """Log in, or change one token into another."""
    try:
        request = login_request(call, receipts.supported(call.service.conf.auth.methods))
        text, record = login.log_in(call.service, request)
    except MoreMethodsNeeded as more:
        return Reply(more.body, 401, {"Openstack-Auth-Receipt": more.receipt, **challenge(call.service, call.req)})
    except ApiError as error:
        if error.status == 401:
            error.headers.update(challenge(call.service, call.req))
        raise
    return Reply(_body(call, record), 201, {_SUBJECT: text})


def show(call: Call[Identity]) -> Reply:
    """What a token says: for its own user, and for services, administrators and readers of the system."""
    rule = "identity:check_token" if call.req.method == "HEAD" else "identity:validate_token"
    subject = call.header(_SUBJECT) or ""
    with _reader(call) as reader:
        record = tokens.validate(
            reader,
            subject,
            allow_expired=bool(call.req.query_string) and _wants_expired(call),
            knows_rules=_knows_rules(call.header("OpenStack-Identity-Access-Rules")),
        )
    _check_subject(call, rule, record)
    still = tokens.while_good(call.service, record)
    return Reply(_body(call, record), 200, {_SUBJECT: subject}, still=still)


def delete(call: Call[Identity]) -> Reply:
    """Revoke a token and, unless `?cascade=false`, those that came out of it."""
    subject = call.header(_SUBJECT)
    with _reader(call) as reader:
        record = tokens.validate(reader, subject, knows_rules=True)
    _check_subject(call, "identity:revoke_token", record)
    tokens.revoke(call.service, record, cascade=_truth(call, "cascade", default=True))
    return NO_CONTENT


def _reader(call: Call[Identity]) -> Reader:
    """Goes on under the generation that the caller's own token was found good in."""
    generation: int | None = getattr(call.req.context, "generation", None)
    return tokens.reading(call.service) if generation is None else Reader(call.service, generation)


def _check_subject(call: Call[Identity], rule: str, record: TokenRecord) -> None:
    call.service.policy.can(call.ctx, rule, {"target": {"token": {"user_id": record.subject_id}}})


def _body(call: Call[Identity], record: TokenRecord) -> bytes:
    query = call.req.query_string
    if query and (query == "nocatalog" or "nocatalog" in call.query()):
        return record.plain
    return record.full


def _wants_expired(call: Call[Identity]) -> bool:
    """Only services finish work that began while a token was still good."""
    return _truth(call, "allow_expired", default=False) and call.service.policy.allows(call.ctx, "service_or_admin")


def _truth(call: Call[Identity], name: str, *, default: bool) -> bool:
    given = call.query().get(name)
    return default if given is None else given[-1].strip().lower() in _TRUE


def _knows_rules(header: str | None) -> bool:
    try:
        return header is not None and float(header) >= _RULES_VERSION
    except ValueError:
        return False


def delete_all_of_user(call: Call[Identity], user_id: str) -> Reply:
    """`DELETE /v3/users/{user_id}/tokens`"""
    call.service.policy.can(call.ctx, "identity:revoke_tokens_for_user", {"user_id": user_id})
    tokens.revoke_all_of(call.service, user_id)
    return NO_CONTENT


def events(call: Call[Identity]) -> Reply:
    """`GET /v3/OS-REVOKE/events`: what was revoked, since a time or all that is kept."""
    call.service.policy.can(call.ctx, "identity:list_revoke_events")
    since = call.query().get("since")
    try:
        moment = parse(since[-1]) if since and since[-1] else None
    except (ValueError, OverflowError):
        raise BadRequest(f"invalidate date format {since[-1] if since else ''}") from None
    with call.service.db.read() as connection:
        found = revocations.since(connection, moment)
    return Reply({"events": [_event(event) for event in found], "links": views.links(call)})


_EVENT_NAMES = {
    "user_id": "user_id",
    "project_id": "project_id",
    "domain_id": "domain_id",
    "role_id": "role_id",
    "trust_id": "OS-TRUST:trust_id",
    "consumer_id": "OS-OAUTH1:consumer_id",
    "access_token_id": "OS-OAUTH1:access_token_id",
    "audit_id": "audit_id",
    "audit_chain_id": "audit_chain_id",
}
_EVENT_TIMES = ("issued_before", "expires_at", "revoked_at")


def _event(event: dict[str, Any]) -> dict[str, Any]:
    shown = {shown: event[name] for name, shown in _EVENT_NAMES.items() if event[name] is not None}
    return shown | {name: iso_micro(event[name]) for name in _EVENT_TIMES if event[name] is not None}


def pki_revocation_list(call: Call[Identity]) -> Reply:
    """`GET /v3/auth/tokens/OS-PKI/revoked`: of the tokens there were before; refused, as the original does."""
    raise Forbidden("You are not authorized to perform the requested action.")


def pki_certificates(call: Call[Identity]) -> Reply:
    """`GET /v3/OS-SIMPLE-CERT/…`"""
    raise Gone("This API is no longer available due to the removal of support for PKI tokens.")
