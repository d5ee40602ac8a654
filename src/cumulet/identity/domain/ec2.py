"""EC2 credentials: an access key and a secret of a user for one project, and the tokens that signed requests lead to.

Such a token is for the service that asked to act with; it is no login and Identity itself takes it for nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from cumulet.identity.domain import application_credentials, credentials, tokens, trusts
from cumulet.identity.domain.aws_signatures import BadSignature, check_ec2, check_s3, moment_of
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.domain.tokens import Scope
from cumulet.identity.errors import not_found, unauthorized
from cumulet.identity.service import Identity
from cumulet.identity.tokens.memory import TokenRecord
from cumulet.kernel.clock import parse
from cumulet.kernel.errors import NotFound, ServiceUnavailable

METHOD = "ec2credential"
_MINUTE = 60_000_000


class Ec2Credential(NamedTuple):
    user_id: str
    project_id: str | None
    access: str
    secret: str
    trust_id: str | None
    application_credential_id: str | None
    access_token_id: str | None

    @property
    def document(self) -> dict[str, Any]:
        return {
            "user_id": self.user_id,
            "tenant_id": self.project_id,
            "access": self.access,
            "secret": self.secret,
            "trust_id": self.trust_id,
        }


def _of(credential: credentials.Credential) -> Ec2Credential:
    blob = credentials.ec2_blob(credential.blob)
    return Ec2Credential(
        credential.user_id,
        credential.project_id,
        blob["access"],
        str(blob.get("secret") or ""),
        blob.get("trust_id"),
        blob.get("app_cred_id"),
        blob.get("access_token_id"),
    )


def check_user(identity: Identity, user_id: str) -> None:
    """Raises NotFound."""
    with tokens.reading(identity) as reader:
        if reader.person(user_id) is None:
            raise not_found("user", user_id)


def find(identity: Identity, user_id: str) -> list[Ec2Credential]:
    return [_of(credential) for credential in credentials.find(identity, user_id=user_id, kind=credentials.EC2)]


def show(identity: Identity, access: str) -> Ec2Credential:
    """Raises NotFound, as for a credential of another type with this id."""
    credential_id = credentials.ec2_id(access)
    credential = credentials.show(identity, credential_id)
    if credential.type != credentials.EC2:
        raise not_found("credential", credential_id)
    return _of(credential)


def create(identity: Identity, user_id: str, project_id: str | None) -> Ec2Credential:
    """Raises NotFound for the project."""
    with tokens.reading(identity) as reader:
        if project_id is None or reader.place(project_id) is None:
            raise not_found("project", str(project_id))
    blob = {"access": uuid.uuid4().hex, "secret": uuid.uuid4().hex, "trust_id": None}
    made = credentials.create(
        identity,
        user_id=user_id,
        kind=credentials.EC2,
        blob=msgspec.json.encode(blob).decode(),
        project_id=project_id,
        extra={},
    )
    return _of(made)


def delete(identity: Identity, access: str) -> None:
    """Raises NotFound."""
    show(identity, access)
    credentials.delete(identity, credentials.ec2_id(access))


def token_for_ec2(identity: Identity, request: Mapping[str, Any]) -> tuple[str, TokenRecord]:
    """A token for who signed the EC2 request. Raises Unauthorized, or NotFound for an unknown access key."""
    return _token(identity, request, check_ec2)


def token_for_s3(identity: Identity, request: Mapping[str, Any]) -> tuple[str, TokenRecord]:
    """The same for an S3 request."""
    return _token(identity, request, check_s3)


def _token(
    identity: Identity, request: Mapping[str, Any], check: Callable[[str, Mapping[str, Any]], None]
) -> tuple[str, TokenRecord]:
    if METHOD not in identity.conf.auth.methods:
        raise ServiceUnavailable(
            "Cannot mint a token from an EC2 or S3 credential: the ec2credential auth method is not enabled. "
            "Add ec2credential to the [auth] methods configuration option."
        )
    started_at = identity.now()
    access = request.get("access")
    if not isinstance(access, str):
        raise unauthorized()
    try:
        credential = show(identity, access)
    except NotFound:
        raise NotFound("EC2 access key not found.") from None
    try:
        check(credential.secret, request)
        _check_moment(identity, moment_of(request), started_at)
    except BadSignature:
        raise unauthorized() from None
    with tokens.reading(identity) as reader:
        return _issue(reader, credential, started_at)


def _check_moment(identity: Identity, said: str | None, now: int) -> None:
    """A signed request is good for [credential] auth_ttl minutes, so that one overheard is not good for ever."""
    if said is None:
        return
    try:
        moment = parse(said)
    except (ValueError, OverflowError):
        raise BadSignature("the time is malformed") from None
    if abs(now - moment) > identity.conf.credential.auth_ttl * _MINUTE:
        raise BadSignature("the request is too old")


def _issue(reader: Reader, credential: Ec2Credential, started_at: int) -> tuple[str, TokenRecord]:
    """A token of no more than what the credential was made with: a trust's or an application credential's limits."""
    if credential.access_token_id is not None or credential.project_id is None:
        raise unauthorized()
    user_id = credential.user_id
    if credential.trust_id is not None:
        trust = trusts.usable(reader, credential.trust_id)
        if trust.project_id != credential.project_id:
            raise unauthorized()
        user_id = trust.trustee_user_id
    elif credential.application_credential_id is not None:
        source = application_credentials.usable(reader, credential.application_credential_id)
        if source.project_id != credential.project_id:
            raise unauthorized()
    return tokens.issue(
        reader,
        user_id,
        (METHOD,),
        Scope(project_id=credential.project_id, trust_id=credential.trust_id),
        started_at=started_at,
        application_credential_id=credential.application_credential_id,
    )
