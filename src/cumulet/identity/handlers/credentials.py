"""`/v3/credentials` (Identity API v3, Credentials)."""

from __future__ import annotations

from typing import Any

from cumulet.identity import views
from cumulet.identity.domain import credentials, delegation
from cumulet.identity.domain.credentials import Credential
from cumulet.identity.schemas.credentials import CredentialBody, CredentialChangesBody, CredentialQuery
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_DELEGATED = "Delegated tokens cannot access credentials directly"


def _target(user_id: str | None) -> dict[str, Any]:
    return {"target": {"credential": {"user_id": user_id}}}


def _view(call: Call[Identity], credential: Credential) -> dict[str, Any]:
    return views.with_self(call, "credentials", credential.document)


def _owned(call: Call[Identity], rule: str, credential_id: str) -> Credential:
    """The credential, if the caller may do this with it. A caller who may not does not learn whether it exists."""
    try:
        credential = credentials.show(call.service, credential_id)
    except NotFound:
        call.service.policy.can(call.ctx, rule)
        raise
    call.service.policy.can(call.ctx, rule, _target(credential.user_id))
    delegation.refuse(call.service, call.ctx, _DELEGATED)
    return credential


def index(call: Call[Identity]) -> Reply:
    """Those of the caller; all of them for administrators and readers of the system."""
    policy, ctx, query = call.service.policy, call.ctx, call.filters(CredentialQuery)
    policy.can(ctx, "identity:list_credentials", _target(ctx.user_id))
    found: list[Credential] = []
    if ctx.trust_id is None and not delegation.is_delegated(call.service, delegation.methods_of(ctx)):
        # Who may see somebody's may see all; everybody else is only asked about themselves.
        owner = query.user_id
        if not policy.allows(ctx, "identity:get_credential", _target(None)):
            owner = ctx.user_id if query.user_id in (None, ctx.user_id) else ""
        found = credentials.find(call.service, user_id=owner, kind=query.type)
    return Reply(views.collection(call, "credentials", [_view(call, credential) for credential in found]))


def show(call: Call[Identity], credential_id: str) -> Reply:
    return Reply({"credential": _view(call, _owned(call, "identity:get_credential", credential_id))})


def create(call: Call[Identity]) -> Reply:
    given, extra = views.known_and_extra(call, "credential", CredentialBody)
    call.service.policy.can(call.ctx, "identity:create_credential", _target(given["user_id"]))
    delegation.refuse(call.service, call.ctx, _DELEGATED)
    if given["type"].lower() == credentials.EC2 and not given.get("project_id"):
        raise BadRequest("Invalid input for field 'credential': 'project_id' is a required property")
    made = credentials.create(
        call.service,
        user_id=given["user_id"],
        kind=given["type"],
        blob=given["blob"],
        project_id=given.get("project_id"),
        extra=extra,
    )
    return Reply({"credential": _view(call, made)}, 201)


def update(call: Call[Identity], credential_id: str) -> Reply:
    """A new blob; nothing else of a credential ever changes."""
    _owned(call, "identity:update_credential", credential_id)
    blob = call.json(CredentialChangesBody).credential.blob
    return Reply({"credential": _view(call, credentials.update(call.service, credential_id, blob))})


def delete(call: Call[Identity], credential_id: str) -> Reply:
    _owned(call, "identity:delete_credential", credential_id)
    credentials.delete(call.service, credential_id)
    return NO_CONTENT
