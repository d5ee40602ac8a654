"""A cloud to log in to: Identity bootstrapped, with real tokens, every answer held against the specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cumulet.identity import app
from cumulet.identity.domain import bootstrap, grants, roles, users
from cumulet.identity.domain.bootstrap import BootstrapOptions
from cumulet.identity.domain.grants import Place
from cumulet.identity.service import Identity
from cumulet.identity.tables import DOMAIN, PROJECT, SYSTEM, USER
from cumulet.kernel.client import Response
from cumulet.kernel.ids import hex_id
from tests.identity import make
from tests.identity.conftest import make_identity
from tests.identity.openapi import CheckedClient

PASSWORD = "correct horse"
DEFAULT = "default"


class TokenClient(CheckedClient):
    """Refusals of two operations have another form than the specification's: receipts, and OAuth's own."""

    def request(self, method: str, path: str, **rest: Any) -> Response:
        if path.startswith("/v3/OS-OAUTH2/") or "receipts" in rest:
            rest.pop("receipts", None)
            return super(CheckedClient, self).request(method, path, **rest)
        return super().request(method, path, **rest)


class Cloud:
    """Identity with an administrator, as `keystone-manage bootstrap` leaves it. Everyone's password is PASSWORD."""

    def __init__(self, database_url: str, state: Path, options: str = "") -> None:
        self.identity = make_identity(database_url, state, options)
        bootstrap.bootstrap(
            self.identity, BootstrapOptions(PASSWORD, region="RegionOne", public_url="http://id.test/v3")
        )
        self.client = TokenClient(app.build_api(self.identity))
        self.roles = {role["name"]: role["id"] for role in roles.find(self.identity, name=None, domain_id=None)}
        self.admin_token = self.token("admin", project="admin")

    def another_process(self) -> TokenClient:
        """The API of a second process of the same cloud: nothing in common but database and keys."""
        return TokenClient(app.build_api(app.build_service(self.identity.env)))

    # Who and what there is

    def user(self, name: str | None = None, *, domain_id: str = DEFAULT, **values: Any) -> users.User:
        given = {"name": name or hex_id(), "domain_id": domain_id, "password": PASSWORD, **values}
        return users.create(self.identity, given, {})

    def member(self, *role_names: str, project_id: str | None = None, **values: Any) -> tuple[users.User, str]:
        """A user with roles (member) on a project (a new one), and the project's id."""
        user = self.user(**values)
        project = project_id or make.project(self.identity, DEFAULT)
        for role in role_names or ("member",):
            self.grant(role, user.id, project_id=project)
        return user, project

    def grant(self, role: str, user_id: str, **target: str | bool) -> None:
        grants.create(self.identity, place(user_id, **target), self.roles[role])

    def take(self, role: str, user_id: str, **target: str | bool) -> None:
        grants.delete(self.identity, place(user_id, **target), self.roles[role])

    # Logging in

    def log_in(
        self, name: str, password: str = PASSWORD, *, scope: Any = None, query: str = "", **rest: Any
    ) -> Response:
        user = {"name": name, "domain": {"id": DEFAULT}, "password": password}
        return self.auth({"methods": ["password"], "password": {"user": user}}, scope=scope, query=query, **rest)

    def auth(self, identity: Any, *, scope: Any = None, query: str = "", **rest: Any) -> Response:
        body: dict[str, Any] = {"identity": identity}
        if scope is not None:
            body["scope"] = scope
        return self.client.post(f"/v3/auth/tokens{query}", {"auth": body}, **rest)

    def rescope(self, token: str, scope: Any = None) -> Response:
        return self.auth({"methods": ["token"], "token": {"id": token}}, scope=scope)

    def token(self, name: str, *, project: str | None = None, project_id: str | None = None, scope: Any = None) -> str:
        """A token by password: for a project by name or id, another scope, or unscoped."""
        if project is not None:
            scope = {"project": {"name": project, "domain": {"id": DEFAULT}}}
        elif project_id is not None:
            scope = {"project": {"id": project_id}}
        return token_of(self.log_in(name, scope=scope or "unscoped"))

    # Asking about tokens

    def validate(self, subject: str, *, token: str | None = None, query: str = "", **headers: str) -> Response:
        """As an administrator, or with another token."""
        sent = {"X-Subject-Token": subject, **headers}
        return self.client.get(f"/v3/auth/tokens{query}", token=token or self.admin_token, headers=sent)

    def works(self, token: str, client: TokenClient | None = None) -> bool:
        """Whether requests with this token are let in."""
        answer = (client or self.client).get("/v3/auth/projects", token=token)
        assert answer.status in (200, 401), answer.body
        return answer.status == 200

    def revoke(self, subject: str, *, token: str | None = None, query: str = "") -> Response:
        sent = {"X-Subject-Token": subject}
        return self.client.delete(f"/v3/auth/tokens{query}", token=token or self.admin_token, headers=sent)


def token_of(answer: Response) -> str:
    assert answer.status == 201, answer.body
    return answer.headers["x-subject-token"]


def place(user_id: str, *, project_id: str = "", domain_id: str = "", system: bool = False) -> Place:
    if system:
        return Place(USER, user_id, SYSTEM, "all")
    return Place(USER, user_id, PROJECT if project_id else DOMAIN, project_id or domain_id)


def make_clock(identity: Identity) -> Clock:
    """Put a clock of the test's into the service."""
    clock = Clock(identity.now())
    identity.now = clock
    return clock


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def pass_(self, *, seconds: float = 0, hours: float = 0) -> None:
        self.at += int((seconds + hours * 3600) * 1_000_000)
