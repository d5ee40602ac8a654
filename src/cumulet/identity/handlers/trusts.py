"""`/v3/OS-TRUST/trusts` (Identity API v3 extensions, OS-TRUST)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import delegation, moments, roles, tokens, trusts
from cumulet.identity.domain.trusts import NewTrust, Trust
from cumulet.identity.errors import forbidden, not_found
from cumulet.identity.handlers.role_references import pairs
from cumulet.identity.schemas.trusts import TrustBody, TrustQuery
from cumulet.identity.service import Identity
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _refuse_delegated(call: Call[Identity]) -> None:
    """A trust's own token may hand it on; what came out of an application or EC2 credential may not."""
    if delegation.is_delegated(call.service, delegation.methods_of(call.ctx)):
        raise forbidden("Delegated tokens cannot manage trusts.")


def _view(call: Call[Identity], trust: Trust) -> dict[str, Any]:
    return views.with_self(
        call,
        "OS-TRUST/trusts",
        {
            **trust.extra,
            "id": trust.id,
            "trustor_user_id": trust.trustor_user_id,
            "trustee_user_id": trust.trustee_user_id,
            "project_id": trust.project_id,
            "impersonation": trust.impersonation,
            "expires_at": None if trust.expires_at is None else iso_micro(trust.expires_at),
            "remaining_uses": trust.remaining_uses,
            "deleted_at": None,
            "redelegated_trust_id": trust.redelegated_trust_id,
            "redelegation_count": trust.redelegation_count,
        },
    )


def _roles(call: Call[Identity], trust: Trust) -> list[dict[str, Any]]:
    with call.service.db.read() as connection:
        found = roles.load_many(connection, trust.role_ids)
    return [views.with_self(call, "roles", found[role_id]) for role_id in trust.role_ids if role_id in found]


def _links(call: Call[Identity], trust: Trust) -> dict[str, Any]:
    return {"self": views.self_url(call, f"OS-TRUST/trusts/{trust.id}/roles"), "next": None, "previous": None}


def _whole_view(call: Call[Identity], trust: Trust) -> dict[str, Any]:
    return {**_view(call, trust), "roles": _roles(call, trust), "roles_links": _links(call, trust)}


def _allowed(call: Call[Identity], rule: str, trust_id: str) -> Trust:
    """The trust, if the caller may do this with it: its trustor, for some its trustee, an administrator."""
    trust = trusts.show(call.service, trust_id)
    parties = {"trustor_user_id": trust.trustor_user_id, "trustee_user_id": trust.trustee_user_id}
    call.service.policy.can(call.ctx, rule, {"target": {"trust": parties}})
    _refuse_delegated(call)
    return trust


def index(call: Call[Identity]) -> Reply:
    query = call.filters(TrustQuery)
    policy, ctx = call.service.policy, call.ctx
    if query.trustor_user_id:
        target = {"target": {"trust": {"trustor_user_id": query.trustor_user_id}}}
        policy.can(ctx, "identity:list_trusts_for_trustor", target)
    elif query.trustee_user_id:
        target = {"target": {"trust": {"trustee_user_id": query.trustee_user_id}}}
        policy.can(ctx, "identity:list_trusts_for_trustee", target)
    else:
        policy.can(ctx, "identity:list_trusts")
    _refuse_delegated(call)
    found = trusts.find(
        call.service,
        trustor_user_id=query.trustor_user_id or None,
        trustee_user_id=query.trustee_user_id or None,
    )
    return Reply(views.collection(call, "trusts", [_view(call, trust) for trust in found]))


def show(call: Call[Identity], trust_id: str) -> Reply:
    trust = _allowed(call, "identity:get_trust", trust_id)
    trusts.check_uses(trust)
    return Reply({"trust": _whole_view(call, trust)})


def create(call: Call[Identity]) -> Reply:
    given, extra = views.known_and_extra(call, "trust", TrustBody)
    body = call.json(TrustBody).trust
    target = {"target": {"trust": {"trustor_user_id": body.trustor_user_id}}}
    call.service.policy.can(call.ctx, "identity:create_trust", target)
    _refuse_delegated(call)
    if body.project_id and not body.roles:
        raise forbidden("At least one role should be specified")
    if call.ctx.user_id != body.trustor_user_id:
        raise forbidden("The authenticated user should match the trustor")
    wanted = NewTrust(
        trustor_user_id=body.trustor_user_id,
        trustee_user_id=body.trustee_user_id,
        impersonation=body.impersonation,
        project_id=body.project_id,
        expires_at=moments.future(body.expires_at, call.service.now()),
        remaining_uses=body.remaining_uses,
        allow_redelegation=bool(body.allow_redelegation),
        redelegation_count=body.redelegation_count,
        roles=pairs(body.roles),
        extra={name: value for name, value in extra.items() if name not in given},
    )
    with tokens.reading(call.service) as reader:
        trust = trusts.create(reader, wanted, source_id=call.ctx.trust_id)
    return Reply({"trust": _whole_view(call, trust)}, 201)


def delete(call: Call[Identity], trust_id: str) -> Reply:
    _allowed(call, "identity:delete_trust", trust_id)
    trusts.delete(call.service, trust_id)
    return NO_CONTENT


def index_roles(call: Call[Identity], trust_id: str) -> Reply:
    trust = _allowed(call, "identity:list_roles_for_trust", trust_id)
    return Reply({"roles": _roles(call, trust), "links": _links(call, trust)})


def show_role(call: Call[Identity], trust_id: str, role_id: str) -> Reply:
    trust = _allowed(call, "identity:get_role_for_trust", trust_id)
    for role in _roles(call, trust):
        if role["id"] == role_id:
            return Reply({"role": role})
    raise not_found("role", role_id)
