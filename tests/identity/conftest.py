"""Fixtures: Identity on an empty database, and callers of several kinds, without logging in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cumulet.identity import app, tables
from cumulet.identity.service import Identity
from cumulet.kernel import migrate
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from tests.identity.openapi import CheckedClient
from tests.support import StaticVerifier, caller

CALLERS = {
    "admin": caller("admin", "manager", "member", "reader", user_id="admin", project_id="admin"),
    "system_reader": caller("reader", user_id="system-reader", project_id=None, system_scope="all"),
    "member": caller("member", "reader", user_id="member", project_id="project"),
    "service": caller("service", user_id="nova", project_id="service"),
}


def make_identity(database_url: str, state: Path, options: str = "") -> Identity:
    """Identity with its tables in the database; `options` are lines of keystone.conf."""
    environment = Environment(Settings(state_dir=str(state)))
    environment.paths.make()
    conf = f"[database]\nconnection = {database_url}\n[identity]\npassword_hash_rounds = 4\n{options}"
    (environment.paths.config / "keystone.conf").write_text(conf)
    identity = app.build_service(environment)
    migrate.upgrade(identity.db, app.SCHEMA)
    return identity


@pytest.fixture(scope="module")
def module_database_url(module_migrated_urls: Callable[[str], str]) -> str:
    """With Identity's tables."""
    return module_migrated_urls("identity")


@pytest.fixture
def database_url(migrated_urls: Callable[[str], str]) -> str:
    """With Identity's tables."""
    return migrated_urls("identity")


@pytest.fixture(scope="module")
def identity(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    """One Identity for the tests of a module: each makes what it needs under names of its own."""
    made = make_identity(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.db.close()


@pytest.fixture(scope="module")
def client(identity: Identity) -> Caller:
    """Asks the API; without `token=` as an administrator."""
    return Caller(identity, "admin")


@pytest.fixture(scope="module")
def default_domain(identity: Identity) -> str:
    """The domain of what a client names no domain for."""
    row = {"id": "default", "domain_id": tables.ROOT, "name": "Default", "is_domain": True}
    with identity.db.write() as connection:
        connection.execute(sa.insert(tables.projects).values(**row, options="{}", extra="{}"))
    return "default"


class Caller(CheckedClient):
    """A client that always sends the same token; `as_(…)` gives one for another caller."""

    def __init__(self, identity: Identity, token: str, known: StaticVerifier | None = None) -> None:
        self.identity = identity
        self.known = known or StaticVerifier(**CALLERS)
        authenticate = TokenAuthenticator(
            self.known, service_types=("identity",), www_authenticate="http://cloud.test:1"
        )
        super().__init__(app.build_api(identity, authenticate), **{"X-Auth-Token": token})

    def as_(self, token: str, /, **fields: Any) -> Caller:
        """As one of CALLERS, or as a new caller: `as_("boss", roles=("admin",), domain_id="d")`."""
        if fields:
            self.known.tokens[token] = caller(*fields.pop("roles", ()), **{"project_id": None, **fields})
        return Caller(self.identity, token, self.known)
