"""The ways to prove who one is, each a function of its proof to a `Passed`. All failures are answered alike."""

from __future__ import annotations

from dataclasses import dataclass

from cumulet.identity.domain import (
    application_credentials,
    delegation,
    oauth1_tokens,
    tokens,
    totp,
    user_security,
    users,
)
from cumulet.identity.domain.login_request import (
    ByApplicationCredential,
    ByOauth1,
    ByPassword,
    ByToken,
    ByTotp,
    ScopeWanted,
    UserRef,
)
from cumulet.identity.domain.token_parts import Reader
from cumulet.identity.errors import expected, forbidden, unauthorized
from cumulet.identity.service import Identity
from cumulet.kernel.errors import NotFound

IMPLEMENTED = ("password", "token", "application_credential", "totp", "oauth1")


@dataclass(frozen=True)
class Passed:
    """Who logged in, and what the new token inherits: `expires_at` (µs) is an end it may not outlive."""

    user_id: str
    methods: tuple[str, ...]
    expires_at: int | None = None
    chain: str | None = None
    application_credential_id: str | None = None
    access_token_id: str | None = None
    project_id: str | None = None  # the one scope that an application credential or access token is for

    @property
    def has_own_scope(self) -> bool:
        return self.application_credential_id is not None or self.access_token_id is not None


def by_password(identity: Identity, proof: ByPassword) -> Passed:
    """An unknown user, a wrong password and a locked account take the same time and get the same answer."""
    user = _user(identity, proof.user)
    user_security.check_password(identity, user, proof.password)
    user = _admitted(identity, user)
    if user_security.is_expired(user, identity.now()):
        raise user_security.expired_refusal(user)
    return Passed(user.id, ("password",))


def by_totp(identity: Identity, proof: ByTotp) -> Passed:
    """Wrong codes count as wrong passwords do: there are only a million of them."""
    user = _user(identity, proof.user)
    known = totp.matches(identity, None if user is None else user.id, proof.passcode, identity.now())
    user_security.count_attempt(identity, user, known)
    return Passed(_admitted(identity, user).id, ("totp",))


def _user(identity: Identity, reference: UserRef) -> users.User | None:
    """None for an unknown user, and for one in a domain that is unknown or disabled."""
    with tokens.reading(identity) as reader:
        if reference.name:
            if reference.domain is None:
                raise expected("domain", "user")
            if reference.domain.name:
                domain = reader.domain_called(reference.domain.name)
            else:
                domain = reader.domain(reference.domain.id or "")
            user = None if domain is None else users.find_by_name(reader.connection, reference.name, domain.id)
        else:
            try:
                user = users.load(reader.connection, reference.id or "")
            except NotFound:
                return None
            domain = reader.domain(user.domain_id)
    return user if domain is not None and domain.enabled else None


def _admitted(identity: Identity, user: users.User | None) -> users.User:
    """A user whose proof was right. Raises Unauthorized for a disabled account, and for one that guesses which ran
    beside this one have locked since it was read."""
    assert user is not None
    conf, now = identity.conf, identity.now()
    if conf.security_compliance.lockout_failure_attempts:
        user = users.show(identity, user.id)
    if user_security.is_locked(conf, user, now) or not user_security.is_enabled(conf, user, now):
        raise unauthorized()
    return user


def by_application_credential(identity: Identity, proof: ByApplicationCredential) -> Passed:
    credential = _application_credential(identity, proof)
    stored = None if credential is None else credential.secret_hash
    known = identity.passwords.verify("" if credential is None else credential.id, stored, proof.secret)
    if credential is None or not known:
        raise unauthorized()
    return Passed(
        credential.user_id,
        ("application_credential",),
        expires_at=credential.expires_at,
        application_credential_id=credential.id,
        project_id=credential.project_id,
    )


def _application_credential(
    identity: Identity, proof: ByApplicationCredential
) -> application_credentials.ApplicationCredential | None:
    if proof.id:
        with tokens.reading(identity) as reader:
            try:
                return application_credentials.known(reader, proof.id)
            except NotFound:
                return None
    if not proof.name:
        raise expected("name or ID", "application credential")
    if proof.user is None or not (proof.user.id or proof.user.name):
        raise expected("user", "application credential")
    user = _user(identity, proof.user)
    if user is None:
        return None
    with identity.db.read() as connection:
        return application_credentials.called(connection, user.id, proof.name)


def by_oauth1(identity: Identity, proof: ByOauth1) -> Passed:
    access = oauth1_tokens.verify_access(identity, proof.request)
    return Passed(
        access["authorizing_user_id"],
        ("oauth1",),
        expires_at=access["expires_at"],
        access_token_id=access["id"],
        project_id=access["project_id"],
    )


def by_token(reader: Reader, proof: ByToken, scope: ScopeWanted | None) -> Passed:
    """Raises NotFound for a bad token, Forbidden for one that may not become another one."""
    record = tokens.find(reader, proof.token)
    if record is None:
        raise NotFound("Failed to validate token")
    parent = record.payload
    if parent.trust_id is not None:
        raise forbidden("Using trust-scoped token to create another token. Create a new trust-scoped token instead")
    if parent.access_token_id is not None:
        raise forbidden("Using OAuth-scoped token to create another token. Create a new OAuth-scoped token instead")
    if parent.system and scope is not None and (scope.project is not None or scope.domain is not None):
        raise forbidden("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
    if delegation.is_delegated(reader.identity, parent.methods):
        raise forbidden("Using a delegated token to create another token is not allowed.")
    is_scoped = parent.project_id is not None or parent.domain_id is not None or parent.system
    if is_scoped and not reader.identity.conf.token.allow_rescope_scoped_token:
        raise forbidden("rescope a scoped token")
    methods = parent.methods if "token" in parent.methods else (*parent.methods, "token")
    return Passed(parent.user_id, methods, expires_at=parent.expires_at, chain=parent.chain)
