"""What must be there, written down, and the few statements that bring a database to it.

`plan` compares and says what to do; nothing is done twice, and what differs only in things an administrator may have
changed (passwords, descriptions, whether something is enabled) is left as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.identity.domain import generations
from cumulet.identity.domain.assignments import EVERYTHING
from cumulet.identity.service import Identity
from cumulet.identity.tables import (
    PROJECT,
    ROOT,
    SYSTEM,
    USER,
    assignments,
    endpoints,
    implied_roles,
    projects,
    regions,
    roles,
    services,
    users,
)
from cumulet.kernel.ids import hex_id


@dataclass(frozen=True)
class WantedUser:
    """A user of the default domain. `project` None: the roles are on the system."""

    name: str
    grants: tuple[tuple[str, str | None], ...] = ()  # (role, project)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedService:
    """A catalog entry with its URL for each interface; other endpoints of the service are left alone."""

    type: str
    name: str
    urls: Mapping[str, str]
    description: str | None = None


@dataclass(frozen=True)
class Wanted:
    """All of it. Names are those of the default domain; `implications` are (prior, implied) roles."""

    domain_id: str
    projects: Mapping[str, str]  # name -> description
    roles: tuple[str, ...]
    implications: tuple[tuple[str, str], ...]
    users: tuple[WantedUser, ...]
    region: str | None
    services: tuple[WantedService, ...]
    immutable_roles: bool = True
    by_a_start: bool = False  # not by an administrator's command: endpoints that one made keep their URL


Hashes = Mapping[str, str | None]
"""User name -> the password hash of a user that has to be made."""
Step = tuple[sa.Insert | sa.Update, list[dict[str, Any]]]


def seed(identity: Identity, wanted: Wanted, hash_for: Callable[[Iterable[str]], Hashes]) -> None:
    """Make `wanted` so. One look (eight small queries) when it is so already.

    `hash_for` is asked for the users to make, outside the transaction: hashing takes long on purpose.
    """
    with identity.db.read() as connection:
        present = _Present(connection, wanted)
    missing = present.missing_users()
    if not present.plan(identity.now(), dict.fromkeys(missing)):
        return
    hashes = hash_for(missing)
    with identity.db.write() as connection:
        # The generation's row stays locked: two hosts that start at once make everything once.
        generations.bump(connection)
        for statement, rows in _Present(connection, wanted).plan(identity.now(), hashes):
            connection.execute(statement, rows)


def is_empty(identity: Identity, domain_id: str) -> bool:
    """Whether not even the domain is there: a cloud before its first start."""
    with identity.db.read() as connection:
        return connection.execute(sa.select(projects.c.id).where(projects.c.id == domain_id)).first() is None


@dataclass(frozen=True)
class Names:
    """Of the default domain, and roles of none."""

    users: frozenset[str]
    projects: frozenset[str]
    roles: frozenset[str]


def present(identity: Identity, wanted: Wanted) -> Names:
    """What of `wanted` is there."""
    with identity.db.read() as connection:
        return _Present(connection, wanted).names()


def user_named(connection: Connection, domain_id: str, name: str) -> Any:
    """A row of id, enabled and password_hash, None when there is no such user."""
    return connection.execute(
        sa.select(users.c.id, users.c.enabled, users.c.password_hash).where(
            users.c.domain_id == domain_id, users.c.name == name
        )
    ).first()


class _Present:
    """What of it is there, by name, and ids for what is not."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        self._wanted = wanted
        domain_id = wanted.domain_id
        self._domain = _ids(connection, projects, projects.c.id == domain_id)
        self._projects = _ids(
            connection, projects, projects.c.domain_id == domain_id, projects.c.name.in_(list(wanted.projects))
        )
        self._roles = _ids(connection, roles, roles.c.domain_id == ROOT, roles.c.name.in_(wanted.roles))
        self._users = _ids(
            connection, users, users.c.domain_id == domain_id, users.c.name.in_([user.name for user in wanted.users])
        )
        self._implied = {tuple(row) for row in connection.execute(sa.select(implied_roles))}
        self._granted = {
            tuple(row)
            for row in connection.execute(
                sa.select(assignments.c.actor_id, assignments.c.target_id, assignments.c.role_id).where(
                    assignments.c.actor_type == USER,
                    assignments.c.actor_id.in_(list(self._users.values())),
                    assignments.c.inherited.is_(False),
                )
            )
        }
        types = [service.type for service in wanted.services]
        self._services = connection.execute(sa.select(services).where(services.c.type.in_(types))).all()
        self._endpoints = connection.execute(
            sa.select(endpoints).where(endpoints.c.service_id.in_([row.id for row in self._services]))
        ).all()
        region = sa.select(regions.c.id).where(regions.c.id == wanted.region)
        self._has_region = wanted.region is None or connection.execute(region).first() is not None

    def names(self) -> Names:
        return Names(frozenset(self._users), frozenset(self._projects), frozenset(self._roles))

    def missing_users(self) -> list[str]:
        return [user.name for user in self._wanted.users if user.name not in self._users]

    def plan(self, now: int, hashes: Hashes) -> list[Step]:
        steps = [
            (sa.insert(projects), self._new_projects()),
            (sa.insert(roles), self._new_roles()),
            (sa.insert(implied_roles), self._new_implications()),
            (sa.insert(users), self._new_users(now, hashes)),
            (sa.insert(assignments), self._new_grants()),
            (sa.insert(regions), self._new_region()),
            *self._catalog(),
        ]
        return [(statement, rows) for statement, rows in steps if rows]

    def _new_projects(self) -> list[dict[str, Any]]:
        domain_id, rows = self._wanted.domain_id, []
        if not self._domain:
            rows.append(_project(domain_id, "Default", "The default domain", ROOT, None))
        for name, description in self._wanted.projects.items():
            if name not in self._projects:
                self._projects[name] = hex_id()
                rows.append(_project(self._projects[name], name, description, domain_id, domain_id))
        return rows

    def _new_roles(self) -> list[dict[str, Any]]:
        options = '{"immutable":true}' if self._wanted.immutable_roles else "{}"
        rows = []
        for name in self._wanted.roles:
            if name not in self._roles:
                self._roles[name] = hex_id()
                rows.append(
                    {"id": self._roles[name], "domain_id": ROOT, "name": name, "options": options, "extra": "{}"}
                )
        return rows

    def _new_implications(self) -> list[dict[str, Any]]:
        edges = [(self._roles[prior], self._roles[implied]) for prior, implied in self._wanted.implications]
        return [
            {"prior_role_id": prior, "implied_role_id": implied}
            for prior, implied in edges
            if (prior, implied) not in self._implied
        ]

    def _new_users(self, now: int, hashes: Hashes) -> list[dict[str, Any]]:
        rows = []
        for user in self._wanted.users:
            if user.name in self._users:
                continue
            self._users[user.name] = hex_id()
            rows.append(
                {
                    "id": self._users[user.name],
                    "domain_id": self._wanted.domain_id,
                    "name": user.name,
                    "options": msgspec.json.encode(user.options).decode(),
                    "extra": "{}",
                    "password_hash": hashes[user.name],
                    "password_created_at": now,
                    "created_at": now,
                }
            )
        return rows

    def _new_grants(self) -> list[dict[str, Any]]:
        rows = []
        for user in self._wanted.users:
            for role, project in user.grants:
                user_id, role_id = self._users[user.name], self._roles[role]
                target_id = EVERYTHING if project is None else self._projects[project]
                if (user_id, target_id, role_id) not in self._granted:
                    target_type = SYSTEM if project is None else PROJECT
                    rows.append(
                        {
                            "actor_type": USER,
                            "actor_id": user_id,
                            "target_type": target_type,
                            "target_id": target_id,
                            "role_id": role_id,
                            "inherited": False,
                        }
                    )
        return rows

    def _new_region(self) -> list[dict[str, Any]]:
        if self._has_region:
            return []
        return [{"id": self._wanted.region, "parent_region_id": None, "description": "", "extra": "{}"}]

    def _catalog(self) -> Iterable[Step]:
        new_services: list[dict[str, Any]] = []
        new_endpoints: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for service in self._wanted.services:
            service_id = self._service_id(service)
            if service_id is None:
                service_id = hex_id()
                new_services.append(
                    {
                        "id": service_id,
                        "type": service.type,
                        "name": service.name,
                        "description": service.description,
                        "extra": "{}",
                    }
                )
            for interface, url in service.urls.items():
                row = self._endpoint(service_id, interface)
                starts_id = _id_by_a_start(service_id, interface, self._wanted.region)
                if row is None:
                    new_endpoints.append(
                        {
                            "id": starts_id if self._wanted.by_a_start else hex_id(),
                            "interface": interface,
                            "service_id": service_id,
                            "region_id": self._wanted.region,
                            "url": url,
                            "extra": "{}",
                        }
                    )
                elif row.url != url and (not self._wanted.by_a_start or row.id == starts_id or _only_here(row.url)):
                    changed.append({"endpoint_id": row.id, "new_url": url})
        move = sa.update(endpoints).where(endpoints.c.id == sa.bindparam("endpoint_id"))
        return [
            (sa.insert(services), new_services),
            (sa.insert(endpoints), new_endpoints),
            (move.values(url=sa.bindparam("new_url")), changed),
        ]

    def _service_id(self, wanted: WantedService) -> str | None:
        """The service of this type, of this name where there are several."""
        candidates = [row for row in self._services if row.type == wanted.type]
        named = [row.id for row in candidates if row.name == wanted.name] or [row.id for row in candidates]
        return named[0] if named else None

    def _endpoint(self, service_id: str, interface: str) -> Row[Any] | None:
        region = self._wanted.region
        for row in self._endpoints:
            if (row.service_id, row.interface) == (service_id, interface) and region in (None, row.region_id):
                return row
        return None


def _id_by_a_start(service_id: str, interface: str, region: str | None) -> str:
    """By its id an endpoint is known that follows the cloud to new addresses."""
    return hashlib.sha256(f"{service_id}/{interface}/{region}".encode()).hexdigest()[:32]


def _only_here(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def _ids(connection: Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> dict[str, str]:
    return {row.name: row.id for row in connection.execute(sa.select(table.c.name, table.c.id).where(*conditions))}


def _project(project_id: str, name: str, description: str, domain_id: str, parent_id: str | None) -> dict[str, Any]:
    return {
        "id": project_id,
        "name": name,
        "description": description,
        "domain_id": domain_id,
        "parent_id": parent_id,
        "is_domain": parent_id is None,
        "options": "{}",
        "extra": "{}",
    }
