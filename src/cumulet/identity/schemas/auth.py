"""Bodies of `POST /v3/auth/tokens` (Identity API v3, Authentication and token management).

Unknown keys are read over, as in the original; a known one of a wrong type is refused. UNSET is what a client left out.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from cumulet.kernel.errors import BadRequest

Text = str | UnsetType


class DomainReference(Struct):
    id: Text = UNSET
    name: Text = UNSET


class UserReference(Struct):
    id: Text = UNSET
    name: Text = UNSET
    domain: DomainReference | UnsetType = UNSET
    password: Text = UNSET
    passcode: str | int | UnsetType = UNSET


class WithUser(Struct):
    """The data of `password` and `totp`."""

    user: UserReference | UnsetType = UNSET


class WithToken(Struct):
    id: str


class WithApplicationCredential(Struct):
    id: Text = UNSET
    name: Text = UNSET
    secret: Text = UNSET
    user: UserReference | UnsetType = UNSET


class Login(Struct):
    """The `identity` object: how the client proves who it is."""

    methods: list[str]
    password: WithUser | UnsetType = UNSET
    token: WithToken | UnsetType = UNSET
    totp: WithUser | UnsetType = UNSET
    application_credential: WithApplicationCredential | UnsetType = UNSET


class ProjectReference(Struct):
    id: Text = UNSET
    name: Text = UNSET
    domain: DomainReference | UnsetType = UNSET


class TrustReference(Struct):
    id: Text = UNSET


class ScopeBody(Struct):
    """Exactly one of these; `system` may hold anything, its presence is what counts."""

    project: ProjectReference | UnsetType = UNSET
    domain: DomainReference | UnsetType = UNSET
    system: dict[str, Any] | UnsetType = UNSET
    unscoped: Any = UNSET
    trust: TrustReference | UnsetType = field(default=UNSET, name="OS-TRUST:trust")

    @property
    def chosen(self) -> list[str]:
        """The names of those that are there."""
        return [name for name in self.__struct_fields__ if getattr(self, name) is not UNSET]


class Auth(Struct):
    identity: Login
    scope: ScopeBody | str | UnsetType = UNSET


class AuthBody(Struct):
    auth: Auth


def check_references(auth: Auth) -> None:
    """What the types cannot say. Raises BadRequest naming the field."""
    if auth.identity.password is not UNSET and auth.identity.password.user is not UNSET:
        user = auth.identity.password.user
        _require_reference(user, "identity/password/user")
        if user.domain is not UNSET:
            _require_reference(user.domain, "identity/password/user/domain")
    if isinstance(auth.scope, ScopeBody):
        if auth.scope.project is not UNSET:
            _require_reference(auth.scope.project, "scope/project")
            if auth.scope.project.domain is not UNSET:
                _require_reference(auth.scope.project.domain, "scope/project/domain")
        if auth.scope.domain is not UNSET:
            _require_reference(auth.scope.domain, "scope/domain")


def _require_reference(thing: Any, path: str) -> None:
    if thing.id is UNSET and thing.name is UNSET:
        raise BadRequest(f"Invalid input for field {path}: id or name must be present.")
