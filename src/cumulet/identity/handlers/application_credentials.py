"""`/v3/users/{user_id}/application_credentials` (Identity API v3, Application Credentials)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from cumulet.identity import matching, views
from cumulet.identity.domain import application_credentials, delegation, moments
from cumulet.identity.domain.access_rules import NewAccessRule
from cumulet.identity.domain.application_credentials import ApplicationCredential, NewApplicationCredential
from cumulet.identity.errors import forbidden, not_found
from cumulet.identity.handlers.role_references import pairs
from cumulet.identity.schemas.application_credentials import (
    AccessRuleFields,
    ApplicationCredentialBody,
    ApplicationCredentialQuery,
)
from cumulet.identity.service import Identity
from cumulet.kernel.clock import iso_micro
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def _check(call: Call[Identity], rule: str, user_id: str) -> None:
    call.service.policy.can(call.ctx, rule, {"user_id": user_id, "target": {"user": {"id": user_id}}})
    delegation.refuse_for_application_credentials(call.service, call.ctx)


def _views(call: Call[Identity], found: list[ApplicationCredential]) -> list[dict[str, Any]]:
    roles = application_credentials.roles_described(call.service, found)
    return [_view(call, credential, roles) for credential in found]


def _view(call: Call[Identity], credential: ApplicationCredential, roles: dict[str, dict[str, Any]]) -> dict[str, Any]:
    # Without the zone's letter: this is how the original writes this one time.
    expires_at = None if credential.expires_at is None else iso_micro(credential.expires_at).rstrip("Z")
    shown: dict[str, Any] = {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "system": None,
        "expires_at": expires_at,
        "unrestricted": credential.unrestricted,
        "roles": [_role(roles[role_id]) for role_id in credential.role_ids if role_id in roles],
    }
    if credential.access_rules is not None:
        shown["access_rules"] = credential.access_rules
    return views.with_self(call, f"users/{credential.user_id}/application_credentials", shown)


def _role(role: dict[str, Any]) -> dict[str, Any]:
    return {name: role[name] for name in ("id", "name", "domain_id", "description", "options")}


def _owned(call: Call[Identity], rule: str, user_id: str, credential_id: str) -> ApplicationCredential:
    """The credential, if the caller may do this with it. It is its owner who counts, whoever the path names."""
    try:
        credential = application_credentials.show(call.service, credential_id)
    except NotFound:
        _check(call, rule, user_id)
        raise
    _check(call, rule, credential.user_id)
    if credential.user_id != user_id:
        raise not_found(application_credentials.KIND, credential_id)
    return credential


def index(call: Call[Identity], user_id: str) -> Reply:
    _check(call, "identity:list_application_credentials", user_id)
    query = call.filters(ApplicationCredentialQuery)
    shown = _views(call, application_credentials.find(call.service, user_id, name=query.name))
    shown = matching.keep(call.query(), shown, "name")
    return Reply(views.collection(call, "application_credentials", shown))


def show(call: Call[Identity], user_id: str, application_credential_id: str) -> Reply:
    found = _owned(call, "identity:get_application_credential", user_id, application_credential_id)
    return Reply({"application_credential": _views(call, [found])[0]})


def create(call: Call[Identity], user_id: str) -> Reply:
    _check(call, "identity:create_application_credential", user_id)
    delegation.refuse_restricted(call.ctx)
    if call.ctx.user_id != user_id:
        raise forbidden("Cannot create an application credential for another user.")
    body = call.json(ApplicationCredentialBody).application_credential
    if call.ctx.project_id is None:
        raise BadRequest("Invalid application credential: a project-scoped token is needed to create one.")
    secret = body.secret or application_credentials.new_secret()
    made = application_credentials.create(
        call.service,
        NewApplicationCredential(
            name=body.name,
            secret=secret,
            description=body.description,
            user_id=user_id,
            project_id=call.ctx.project_id,
            expires_at=moments.future(body.expires_at, call.service.now()),
            unrestricted=bool(body.unrestricted),
            role_ids=_roles(call, pairs(body.roles)),
            access_rules=None if body.access_rules is UNSET else [_rule(rule) for rule in body.access_rules],
        ),
    )
    shown = _views(call, [made])[0]
    shown["secret"] = secret
    return Reply({"application_credential": shown}, 201)


def _roles(call: Call[Identity], asked: list[tuple[str | None, str | None]]) -> list[str]:
    """The ids of the roles it gets: those asked for, or all of the caller's token; never one the token has not."""
    held = [role["id"] for role in (call.ctx.token or {}).get("roles", ())]
    if not asked:
        return held
    with call.service.db.read() as connection:
        wanted = application_credentials.requested_roles(connection, asked)
    if not set(wanted) <= set(held):
        raise BadRequest("Invalid application credential: Cannot create an application credential with unassigned role")
    return wanted


def _rule(rule: AccessRuleFields) -> NewAccessRule:
    given = NewAccessRule(
        *(None if value is UNSET else value for value in (rule.id, rule.service, rule.path, rule.method))
    )
    if given.id is None and None in (given.service, given.path, given.method):
        raise BadRequest(
            "Invalid input for field 'access_rules': a rule has an 'id', or 'service', 'path' and 'method'."
        )
    return given


def delete(call: Call[Identity], user_id: str, application_credential_id: str) -> Reply:
    _owned(call, "identity:delete_application_credential", user_id, application_credential_id)
    delegation.refuse_restricted(call.ctx)
    application_credentials.delete(call.service, application_credential_id)
    return NO_CONTENT
