"""The body of a login as the domain knows it. What is wrong with it is said before anything is looked up."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from cumulet.identity.domain.login_request import (
    ByApplicationCredential,
    ByOauth1,
    ByPassword,
    ByToken,
    ByTotp,
    DomainRef,
    LoginRequest,
    ProjectRef,
    Proof,
    ScopeWanted,
    UserRef,
)
from cumulet.identity.errors import expected
from cumulet.identity.handlers.oauth1_tokens import signed_request
from cumulet.identity.schemas.auth import (
    AuthBody,
    DomainReference,
    Login,
    ProjectReference,
    ScopeBody,
    UserReference,
    WithApplicationCredential,
    WithUser,
    check_references,
)
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest, Unauthorized
from cumulet.kernel.http import Call

_KINDS = "system, project, domain, OS-TRUST:trust or unscoped"


def login_request(call: Call[Identity], supported: Sequence[str]) -> LoginRequest:
    """Raises BadRequest, or Unauthorized for a method that this cloud has not."""
    raw = call.raw_json() if call.req.content_length != 0 else None
    if not isinstance(raw, dict) or not raw.get("auth"):
        raise expected("auth", "request body")
    auth = call.json(AuthBody).auth
    check_references(auth)
    login = auth.identity
    methods = list(dict.fromkeys(login.methods))
    named = raw["auth"]["identity"]
    for method in methods:
        if method not in named:
            raise expected(method, "identity")
    for method in methods:
        if method not in supported:
            raise Unauthorized(
                "Attempted to authenticate with an unsupported method.",
                details={"identity": {"methods": list(call.service.conf.auth.methods)}},
            )
    if "application_credential" in methods and auth.scope is not UNSET:
        raise Unauthorized(
            "Error authenticating with application credential: Application credentials cannot request a scope.",
            details={"identity": {}},
        )
    proofs = {method: _proof(call, login, method) for method in methods}
    return LoginRequest(proofs, _scope(auth.scope), call.header("Openstack-Auth-Receipt"))


def _proof(call: Call[Identity], login: Login, method: str) -> Proof:
    if method == "oauth1":
        return ByOauth1(signed_request(call))
    if method == "password" and login.password is not UNSET:
        user = _user(login.password, method)
        return ByPassword(_user_ref(user), user.password or "")
    if method == "totp" and login.totp is not UNSET:
        user = _user(login.totp, method)
        return ByTotp(_user_ref(user), "" if user.passcode is UNSET else str(user.passcode))
    if method == "token" and login.token is not UNSET:
        return ByToken(login.token.id)
    if method == "application_credential" and login.application_credential is not UNSET:
        return _application_credential(login.application_credential)
    raise expected(method, "identity")


def _user(data: WithUser, method: str) -> UserReference:
    if data.user is UNSET:
        raise expected("user", method)
    if not data.user.id and not data.user.name:
        raise expected("id or name", "user")
    if data.user.name and data.user.domain is UNSET:
        raise expected("domain", "user")
    return data.user


def _application_credential(data: WithApplicationCredential) -> Proof:
    if not data.id:
        if not data.name:
            raise expected("name or ID", "application credential")
        if data.user is UNSET:
            raise expected("user", "application credential")
        if not data.user.id and data.user.domain is UNSET:
            raise expected("domain", "user")
    owner = None if data.user is UNSET else _user_ref(data.user)
    return ByApplicationCredential(data.id or None, data.name or None, owner, data.secret or "")


def _scope(scope: ScopeBody | str | UnsetType) -> ScopeWanted | None:
    if scope is UNSET:
        return None
    if scope == "unscoped":
        return ScopeWanted()
    if not isinstance(scope, ScopeBody) or len(scope.chosen) != 1:
        raise expected(_KINDS, "scope")
    if scope.trust is not UNSET:
        if not scope.trust.id:
            raise expected("trust_id", "trust")
        return ScopeWanted(trust_id=scope.trust.id)
    if scope.project is not UNSET:
        return ScopeWanted(project=_project_ref(scope.project))
    if scope.domain is not UNSET:
        return ScopeWanted(domain=_domain_ref(scope.domain))
    return ScopeWanted(system=scope.system is not UNSET)


def _project_ref(project: ProjectReference) -> ProjectRef:
    if project.name and project.domain is UNSET:
        raise expected("domain", "project")
    domain = None if project.domain is UNSET else _domain_ref(project.domain)
    return ProjectRef(project.id or None, project.name or None, domain)


def _user_ref(user: UserReference) -> UserRef:
    return UserRef(user.id or None, user.name or None, None if user.domain is UNSET else _domain_ref(user.domain))


def _domain_ref(domain: DomainReference) -> DomainRef:
    if not domain.id and not domain.name:
        raise BadRequest("Invalid input for field domain: id or name must be present.")
    return DomainRef(domain.id or None, domain.name or None)
