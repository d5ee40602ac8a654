"""`/v3/users/{user_id}/credentials/OS-EC2`, `/v3/ec2tokens` and `/v3/s3tokens` (Identity API v3 extensions, OS-EC2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cumulet.identity import views
from cumulet.identity.authenticate import challenge
from cumulet.identity.domain import delegation, ec2
from cumulet.identity.domain.ec2 import Ec2Credential
from cumulet.identity.errors import not_found
from cumulet.identity.schemas.credentials import Ec2Body
from cumulet.identity.service import Identity
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.kernel.errors import BadRequest, Unauthorized
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_DELEGATED = "Delegated tokens cannot access credentials directly"


def _check(call: Call[Identity], rule: str, owner_id: str) -> None:
    call.service.policy.can(call.ctx, rule, {"user_id": owner_id, "target": {"credential": {"user_id": owner_id}}})
    delegation.refuse(call.service, call.ctx, _DELEGATED)


def _view(call: Call[Identity], credential: Ec2Credential) -> dict[str, Any]:
    path = f"users/{credential.user_id}/credentials/OS-EC2/{credential.access}"
    return {**credential.document, "links": {"self": views.self_url(call, path)}}


def index(call: Call[Identity], user_id: str) -> Reply:
    _check(call, "identity:ec2_list_credentials", user_id)
    ec2.check_user(call.service, user_id)
    found = ec2.find(call.service, user_id)
    return Reply(views.collection(call, "credentials", [_view(call, credential) for credential in found]))


def _owned(call: Call[Identity], rule: str, user_id: str, access: str) -> Ec2Credential:
    """The credential, if the caller may do this with it: it is its owner who counts, and the path must name them."""
    credential = ec2.show(call.service, access)
    _check(call, rule, credential.user_id)
    ec2.check_user(call.service, user_id)
    if credential.user_id != user_id:
        raise not_found("credential", access)
    return credential


def show(call: Call[Identity], user_id: str, credential_id: str) -> Reply:
    return Reply({"credential": _view(call, _owned(call, "identity:ec2_get_credential", user_id, credential_id))})


def create(call: Call[Identity], user_id: str) -> Reply:
    _check(call, "identity:ec2_create_credential", user_id)
    ec2.check_user(call.service, user_id)
    made = ec2.create(call.service, user_id, call.json(Ec2Body).tenant_id)
    return Reply({"credential": _view(call, made)}, 201)


def delete(call: Call[Identity], user_id: str, credential_id: str) -> Reply:
    _owned(call, "identity:ec2_delete_credential", user_id, credential_id)
    ec2.delete(call.service, credential_id)
    return NO_CONTENT


def ec2_token(call: Call[Identity]) -> Reply:
    """For services that got a signed request, and administrators (OSSA-2025-002)."""
    call.service.policy.can(call.ctx, "identity:ec2tokens_validate")
    text, record = _token(call, ec2.token_for_ec2)
    return Reply(record.full, 200, {"X-Subject-Token": text})


def s3_token(call: Call[Identity]) -> Reply:
    """The same for S3. The token itself stays here, as in the original: the caller is told what it says."""
    call.service.policy.can(call.ctx, "identity:s3tokens_validate")
    _, record = _token(call, ec2.token_for_s3)
    return Reply(record.full)


def _token(
    call: Call[Identity], make: Callable[[Identity, Mapping[str, Any]], tuple[str, TokenRecord]]
) -> tuple[str, TokenRecord]:
    body = call.raw_json()
    if not isinstance(body, dict) or not body:
        raise BadRequest("request must include a request body")
    given = body.get("credentials") or body.get("credential") or body.get("ec2Credentials") or {}
    if not isinstance(given, dict):
        raise BadRequest("Invalid input for field 'credentials': an object is expected.")
    try:
        return make(call.service, given)
    except Unauthorized as error:
        error.headers.update(challenge(call.service, call.req))
        raise
