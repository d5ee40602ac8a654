"""What a client that wants a token says: who it is, how it proves it, and what the token is to be for."""

from __future__ import annotations

from typing import NamedTuple

from cumulet.identity.domain.oauth1_signatures import SignedRequest


class DomainRef(NamedTuple):
    """A domain by id or by name."""

    id: str | None = None
    name: str | None = None


class UserRef(NamedTuple):
    """A user by id, or by name in a domain."""

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class ProjectRef(NamedTuple):
    """A project by id, or by name in a domain."""

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class ScopeWanted(NamedTuple):
    """One of these is set; all empty is explicitly unscoped."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: bool = False
    trust_id: str | None = None


class ByPassword(NamedTuple):
    user: UserRef
    password: str


class ByToken(NamedTuple):
    token: str


class ByTotp(NamedTuple):
    user: UserRef
    passcode: str


class ByApplicationCredential(NamedTuple):
    """By id, or by name and owner."""

    id: str | None
    name: str | None
    user: UserRef | None
    secret: str


class ByOauth1(NamedTuple):
    """The login request itself, signed with an access token (RFC 5849)."""

    request: SignedRequest


Proof = ByPassword | ByToken | ByTotp | ByApplicationCredential | ByOauth1


class LoginRequest(NamedTuple):
    """`proofs` in the order given, by method; `scope` None: the user's default project, if there is one."""

    proofs: dict[str, Proof]
    scope: ScopeWanted | None = None
    receipt: str | None = None
