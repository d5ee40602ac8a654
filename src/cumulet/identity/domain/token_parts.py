"""The rows that tokens are made of: people, places and roles, each read in one indexed query and remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import assignments, catalog
from cumulet.identity.domain.implications import RoleRef
from cumulet.identity.service import Identity
from cumulet.identity.tables import ROOT, projects, users

T = TypeVar("T")


class Domain(NamedTuple):
    id: str
    name: str
    enabled: bool

    @property
    def document(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name}


class Person(NamedTuple):
    """A user and the user's domain."""

    id: str
    name: str
    enabled: bool
    domain: Domain
    default_project_id: str | None
    password_expires_at: int | None  # µs
    options: dict[str, Any]

    @property
    def may_act(self) -> bool:
        return self.enabled and self.domain.enabled


class Place(NamedTuple):
    """A project and its domain."""

    id: str
    name: str
    enabled: bool
    is_domain: bool
    domain: Domain

    @property
    def is_open(self) -> bool:
        return self.enabled and self.domain.enabled


_owner = projects.alias("owner")
_DOMAIN = (_owner.c.id, _owner.c.name, _owner.c.enabled)
_PERSON = (
    sa.select(
        users.c.id,
        users.c.name,
        users.c.enabled,
        users.c.default_project_id,
        users.c.password_expires_at,
        users.c.options,
        *_DOMAIN,
    )
    .join(_owner, sa.and_(_owner.c.id == users.c.domain_id, _owner.c.is_domain.is_(True)))
    .where(users.c.id == sa.bindparam("id"))
)
_PLACE = sa.select(projects.c.id, projects.c.name, projects.c.enabled, projects.c.is_domain, *_DOMAIN).join(
    _owner, sa.and_(_owner.c.id == projects.c.domain_id, _owner.c.is_domain.is_(True))
)
_PLACE_BY_ID = _PLACE.where(projects.c.id == sa.bindparam("id"))
_PLACE_BY_NAME = _PLACE.where(
    projects.c.domain_id == sa.bindparam("domain_id"), projects.c.name == sa.bindparam("name")
)
_IS_DOMAIN = sa.select(projects.c.id, projects.c.name, projects.c.enabled).where(projects.c.is_domain.is_(True))
_DOMAIN_BY_ID = _IS_DOMAIN.where(projects.c.id == sa.bindparam("id"))
_DOMAIN_BY_NAME = _IS_DOMAIN.where(projects.c.domain_id == ROOT, projects.c.name == sa.bindparam("name"))
_DOMAIN_IN_ANY_CASE = _IS_DOMAIN.where(
    projects.c.domain_id == ROOT, sa.func.lower(projects.c.name) == sa.func.lower(sa.bindparam("name"))
)


class Reader:
    """Reads the parts of tokens, or recalls them: all under one generation. Use it in a `with` block.

    It takes a connection when there is something to read, so what is remembered costs none.
    """

    def __init__(self, identity: Identity, generation: int) -> None:
        self.identity = identity
        self.generation = generation
        self._memory = identity.tokens.memory
        self._stack = ExitStack()
        self._connection: Connection | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection = None
            self._stack.close()

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._stack.enter_context(self.identity.db.read())
        return self._connection

    def recall(self, name: Hashable, load: Callable[[], T]) -> T:
        return self._memory.recall(self.generation, name, load)

    def person(self, user_id: str) -> Person | None:
        return self.recall(("person", user_id), lambda: self._person(user_id))

    def _person(self, user_id: str) -> Person | None:
        row = self.connection.execute(_PERSON, {"id": user_id}).first()
        if row is None:
            return None
        options = msgspec.json.decode(row[5]) if row[5] != "{}" else {}
        return Person(row[0], row[1], row[2], Domain(row[6], row[7], row[8]), row[3], row[4], options)

    def place(self, project_id: str) -> Place | None:
        """A project; a domain is none."""
        return self.recall(("place", project_id), lambda: self._place(_PLACE_BY_ID, id=project_id))

    def place_called(self, domain_id: str, name: str) -> Place | None:
        load = lambda: self._place(_PLACE_BY_NAME, domain_id=domain_id, name=name)  # noqa: E731
        return self.recall(("place", domain_id, name), load)

    def _place(self, query: sa.Select[Any], **values: str) -> Place | None:
        row = self.connection.execute(query, values).first()
        return None if row is None else Place(row[0], row[1], row[2], row[3], Domain(row[4], row[5], row[6]))

    def domain(self, domain_id: str) -> Domain | None:
        return self.recall(("domain", domain_id), lambda: self._domain(_DOMAIN_BY_ID, id=domain_id))

    def domain_called(self, name: str) -> Domain | None:
        """One whose name differs in case only is meant too: so MariaDB compares them for the original, and many an
        openrc says `default` for Default."""
        return self.recall(("domain called", name), lambda: self._domain_called(name))

    def _domain_called(self, name: str) -> Domain | None:
        exact = self._domain(_DOMAIN_BY_NAME, name=name)
        return exact if exact is not None else self._domain(_DOMAIN_IN_ANY_CASE, name=name)

    def _domain(self, query: sa.Select[Any], **values: str) -> Domain | None:
        row = self.connection.execute(query, values).first()
        return None if row is None else Domain(*row)

    def roles(
        self, user_id: str, *, project_id: str | None = None, domain_id: str | None = None, system: bool = False
    ) -> list[RoleRef]:
        """The user's effective roles on one target, empty for none."""
        return self.recall(
            ("roles", user_id, project_id, domain_id, system),
            lambda: assignments.effective_roles(
                self.connection, user_id, project_id=project_id, domain_id=domain_id, system=system
            ),
        )

    def catalog(self, project_id: str | None, user_id: str) -> tuple[list[dict[str, Any]], bytes]:
        """The catalog, and the same as JSON."""
        return self.recall(("catalog", project_id, user_id), lambda: self._catalog(project_id, user_id))

    def _catalog(self, project_id: str | None, user_id: str) -> tuple[list[dict[str, Any]], bytes]:
        conf = self.identity.conf
        found = catalog.entries(
            self.connection,
            project_id,
            user_id,
            public_endpoint=conf.public_endpoint,
            all_if_unfiltered=conf.endpoint_filter.return_all_endpoints_if_no_filter,
        )
        return found, msgspec.json.encode(found)
