"""Fixtures: Identity on an empty database, and callers of several kinds, without logging in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.identity import app, tables
from cumulet.identity.service import Identity
from cumulet.kernel.auth import TokenAuthenticator
from cumulet.kernel.environment import Environment
from cumulet.kernel.settings import Settings
from tests.support import Client, StaticVerifier, caller

CALLERS = {
    "admin": caller("admin", "manager", "member", "reader", user_id="admin", project_id="admin"),
    "system_reader": caller("reader", user_id="system-reader", project_id=None, system_scope="all"),
    "member": caller("member", "reader", user_id="member", project_id="project"),
    "service": caller("service", user_id="nova", project_id="service"),
}


class StaticEnvironment(Environment):
    """Knows callers by tokens that tests make up: a service whose login is not what is tested."""

    tokens: StaticVerifier

    def authenticator(self, *service_types: str) -> TokenAuthenticator:
        return TokenAuthenticator(self.tokens, service_types=service_types, www_authenticate="http://cloud.test")


def make_identity(database_url: str, state: Path, options: str = "") -> Identity:
    """Identity with its tables in the database; `options` are lines of keystone.conf."""
    environment = StaticEnvironment(Settings(state_dir=str(state)))
    environment.tokens = StaticVerifier(**CALLERS)
    environment.paths.make()
    conf = f"[database]\nconnection = {database_url}\n[identity]\npassword_hash_rounds = 4\n{options}"
    (environment.paths.config / "keystone.conf").write_text(conf)
    identity = app.build_service(environment)
    tables.metadata.create_all(identity.db.engine)
    return identity


@pytest.fixture(scope="module")
def identity(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    """One Identity for the tests of a module: each makes what it needs under names of its own."""
    made = make_identity(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.db.close()


@pytest.fixture(scope="module")
def client(identity: Identity) -> Client:
    """Asks the API; without `token=` as an administrator."""
    return Caller(identity, "admin")


class Caller(Client):
    """A client that always sends the same token; `as_(…)` gives one for another caller."""

    def __init__(self, identity: Identity, token: str) -> None:
        super().__init__(app.build_api(identity), **{"X-Auth-Token": token})
        self.identity = identity

    def as_(self, token: str, **caller_fields: Any) -> Caller:
        """As one of CALLERS, or as a new caller: `as_("boss", roles=("admin",), domain_id="d")`."""
        if caller_fields:
            environment = self.identity.env
            assert isinstance(environment, StaticEnvironment)
            fields = dict(caller_fields)
            environment.tokens.tokens[token] = caller(*fields.pop("roles", ()), **{"project_id": None, **fields})
        return Caller(self.identity, token)
