"""Grants: one role for one user or group on one project, one domain or the system, for itself or for all below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, roles
from cumulet.identity.domain.assignments import EVERYTHING
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import (
    DOMAIN,
    GROUP,
    PROJECT,
    SYSTEM,
    USER,
    assignments,
    groups,
    memberships,
    projects,
    revocations,
    users,
)
from cumulet.identity.tables import roles as roles_table
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound

_ACTORS = {USER: (users, "user"), GROUP: (groups, "group")}
_TARGETS = {PROJECT: "project", DOMAIN: "domain"}


@dataclass(frozen=True)
class Place:
    """Between whom and what a role is granted; `target_id` is "all" for the system."""

    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    inherited: bool = False

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            assignments.c.actor_type == self.actor_type,
            assignments.c.actor_id == self.actor_id,
            assignments.c.target_type == self.target_type,
            assignments.c.target_id == self.target_id,
            assignments.c.inherited.is_(self.inherited),
        )


def policy_target(identity: Identity, place: Place, role_id: str | None = None) -> dict[str, Any]:
    """What rules may look at: `role`, `user` or `group`, `project` or `domain`; what does not exist is left out."""
    with identity.db.read() as connection:
        target: dict[str, Any] = {}
        if role_id is not None:
            target["role"] = roles.load_many(connection, [role_id]).get(role_id)
        table, actor = _ACTORS[place.actor_type]
        target[actor] = _row(connection, table, place.actor_id)
        if place.target_type != SYSTEM:
            target[_TARGETS[place.target_type]] = _row(connection, projects, place.target_id)
    return {name: value for name, value in target.items() if value is not None}


def _row(connection: Connection, table: sa.Table, row_id: str) -> dict[str, Any] | None:
    row = connection.execute(sa.select(table.c.id, table.c.domain_id, table.c.name).where(table.c.id == row_id)).first()
    return None if row is None else {"id": row.id, "domain_id": row.domain_id or None, "name": row.name}


def find(identity: Identity, place: Place) -> list[roles.Role]:
    """The roles granted at this place, sorted by id. Raises NotFound for an actor or target that there is not."""
    query = (
        sa.select(roles_table)
        .join(assignments, assignments.c.role_id == roles_table.c.id)
        .where(place.condition)
        .order_by(roles_table.c.id)
    )
    with identity.db.read() as connection:
        _check_parties(connection, place)
        return [roles.role_of(row) for row in connection.execute(query)]


def check(identity: Identity, place: Place, role_id: str) -> None:
    """Raises NotFound for a role, actor or target that there is not, and when the role is not granted."""
    with identity.db.read() as connection:
        roles.load(connection, role_id)
        _check_parties(connection, place)
        if not _is_granted(connection, place, role_id):
            raise _not_granted(place, role_id)


def create(identity: Identity, place: Place, role_id: str) -> None:
    """Granting what is granted changes nothing.

    Raises NotFound for a role, actor or target that there is not; BadRequest for a domain's role on the system and
    Forbidden for one on a project of another domain.
    """
    try:
        with identity.db.write() as connection:
            role = roles.load(connection, role_id)
            target = _check_parties(connection, place, lock=True)
            _check_domain_of_role(place, role, target)
            if not _is_granted(connection, place, role_id):
                connection.execute(sa.insert(assignments).values(**_values(place), role_id=role_id))
                generations.bump(connection)
    except IntegrityError as error:
        if not violates_unique(error):
            raise not_found("role", role_id) from None


def delete(identity: Identity, place: Place, role_id: str) -> None:
    """The role is gone from the next request on, and tokens of the users for this very project end.

    Tokens for a domain, the system or projects below lose the role, and end when they have no other: an event for them
    would mean more tokens than these. Raises NotFound for an unknown role or target and when the role is not granted.
    """
    with identity.db.write() as connection:
        roles.load(connection, role_id)
        gone = connection.execute(
            sa.delete(assignments).where(place.condition, assignments.c.role_id == role_id)
        ).rowcount
        if not gone:
            _check_target(connection, place)
            raise _not_granted(place, role_id)
        generations.bump(connection)
        if place.target_type == PROJECT and not place.inherited:
            _end_tokens(connection, identity.now(), place)


def _end_tokens(connection: Connection, now: int, place: Place) -> None:
    """A revocation event for the user, or for each member of the group by one statement, on the project."""
    event = {"project_id": place.target_id, "issued_before": now, "revoked_at": now}
    if place.actor_type == USER:
        connection.execute(sa.insert(revocations).values(user_id=place.actor_id, **event))
        return
    members = sa.select(memberships.c.user_id, *(sa.literal(value) for value in event.values())).where(
        memberships.c.group_id == place.actor_id
    )
    connection.execute(sa.insert(revocations).from_select(["user_id", *event], members))


def _values(place: Place) -> dict[str, Any]:
    return {
        "actor_type": place.actor_type,
        "actor_id": place.actor_id,
        "target_type": place.target_type,
        "target_id": place.target_id,
        "inherited": place.inherited,
    }


def _is_granted(connection: Connection, place: Place, role_id: str) -> bool:
    query = sa.select(assignments.c.role_id).where(place.condition, assignments.c.role_id == role_id)
    return connection.execute(query).first() is not None


def _check_parties(connection: Connection, place: Place, *, lock: bool = False) -> Mapping[str, Any]:
    """The project or domain of `place` ({} for the system). Raises NotFound for what there is not.

    With `lock` both rows stay as they are until the transaction ends, so a grant never outlives its parties.
    """
    table, kind = _ACTORS[place.actor_type]
    query = sa.select(table.c.id).where(table.c.id == place.actor_id)
    if connection.execute(query.with_for_update(read=True) if lock else query).first() is None:
        raise not_found(kind, place.actor_id)
    return _check_target(connection, place, lock=lock)


def _check_target(connection: Connection, place: Place, *, lock: bool = False) -> Mapping[str, Any]:
    if place.target_type == SYSTEM:
        return {}
    query = sa.select(projects.c.id, projects.c.domain_id, projects.c.is_domain).where(projects.c.id == place.target_id)
    row = connection.execute(query.with_for_update(read=True) if lock else query).first()
    if row is None or (place.target_type == DOMAIN and not row.is_domain):
        raise not_found(_TARGETS[place.target_type], place.target_id)
    return dict(row._mapping)


def _check_domain_of_role(place: Place, role: roles.Role, target: Mapping[str, Any]) -> None:
    if not role["domain_id"]:
        return
    if place.target_type == SYSTEM:
        raise BadRequest(
            f"Role {role['id']} is a domain-specific role. Unable to use a domain-specific role in a system assignment."
        )
    if place.target_type == PROJECT and role["domain_id"] != target["domain_id"]:
        raise Forbidden(
            f"Project {place.target_id} must be in the same domain as the role {role['id']} being assigned."
        )


def _not_granted(place: Place, role_id: str) -> NotFound:
    target = "system" if place.target_id == EVERYTHING and place.target_type == SYSTEM else place.target_id
    return NotFound(
        f"Could not find role assignment with role: {role_id}, user or group: {place.actor_id}, "
        f"project, domain, or system: {target}."
    )
