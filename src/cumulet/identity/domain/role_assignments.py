"""The list of who has which role where: as granted, or with groups, inheritance and implications resolved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.identity.domain import implications, project_tree
from cumulet.identity.domain.assignments import EVERYTHING
from cumulet.identity.domain.names import Names
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import (
    DOMAIN,
    GROUP,
    PROJECT,
    SYSTEM,
    USER,
    assignments,
    memberships,
    projects,
    roles,
    users,
)


@dataclass(frozen=True)
class Wanted:
    """What a caller asks for; None asks for everything. `subtree` also takes the projects below `project_id`."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    subtree: bool = False
    effective: bool = False


class Assignment(msgspec.Struct, frozen=True):
    """One line of the list. Where it was resolved, the rest says how it came about.

    `granted_*` is the grant itself; `through_group` the group the user is in; `prior_role_id` the role that implies
    `role_id`.
    """

    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    role_id: str
    inherited: bool
    granted_type: str
    granted_id: str
    granted_role_id: str
    through_group: str | None = None
    prior_role_id: str | None = None


def find(connection: Connection, wanted: Wanted) -> list[Assignment]:
    """As granted: one query. Effective: at most five. Raises NotFound (effective) for an unknown user or project."""
    if wanted.effective:
        _check_known(connection, wanted)
        return list(_effective(connection, wanted))
    query = sa.select(assignments).where(*_filters(wanted)).order_by(*assignments.primary_key.columns)
    return [_granted(row) for row in connection.execute(query)]


def _granted(row: Row[Any]) -> Assignment:
    target, role = (row.target_type, row.target_id), row.role_id
    return Assignment(row.actor_type, row.actor_id, *target, role, row.inherited, *target, role)


def _filters(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.user_id is not None:
        yield sa.and_(assignments.c.actor_type == USER, assignments.c.actor_id == wanted.user_id)
    if wanted.group_id is not None:
        yield sa.and_(assignments.c.actor_type == GROUP, assignments.c.actor_id == wanted.group_id)
    if wanted.role_id is not None:
        yield assignments.c.role_id == wanted.role_id
    if wanted.project_id is not None:
        yield assignments.c.target_type == PROJECT
        if wanted.subtree:
            yield assignments.c.target_id.in_(project_tree.subtree(wanted.project_id))
        else:
            yield assignments.c.target_id == wanted.project_id
    if wanted.domain_id is not None:
        yield sa.and_(assignments.c.target_type == DOMAIN, assignments.c.target_id == wanted.domain_id)
    if wanted.system:
        yield sa.and_(assignments.c.target_type == SYSTEM, assignments.c.target_id == EVERYTHING)
    if wanted.inherited is not None:
        yield assignments.c.inherited.is_(wanted.inherited)


def _check_known(connection: Connection, wanted: Wanted) -> None:
    for table, kind, thing_id in ((users, "user", wanted.user_id), (projects, "project", wanted.project_id)):
        if thing_id is None:
            continue
        if connection.execute(sa.select(table.c.id).where(table.c.id == thing_id)).first() is None:
            raise not_found(kind, thing_id)


def _effective(connection: Connection, wanted: Wanted) -> Iterator[Assignment]:
    """Every grant that matters, spread over members, projects below, and implied roles."""
    own = _groups_of(connection, wanted.user_id) if wanted.user_id is not None else None
    query = (
        sa.select(assignments, roles.c.domain_id.label("role_domain_id"))
        .join(roles, roles.c.id == assignments.c.role_id)
        .where(*_effective_filters(wanted, own or []))
        .order_by(*assignments.primary_key.columns)
    )
    rows = connection.execute(query).all()
    members: Mapping[str, Sequence[str]] = {}
    if wanted.user_id is not None:
        members = {group_id: [wanted.user_id] for group_id in own or ()}
    elif any(row.actor_type == GROUP for row in rows):
        members = _members(connection)
    places = _places(connection, wanted, rows)
    graph = implications.graph(connection)
    for row in rows:
        held = _roles_of(row, graph, wanted.role_id)
        if not held:
            continue
        actors = members.get(row.actor_id, ()) if row.actor_type == GROUP else (row.actor_id,)
        through = row.actor_id if row.actor_type == GROUP else None
        for target_type, target_id in places(row):
            for user_id in actors:
                for role_id, prior in held:
                    yield Assignment(
                        USER,
                        user_id,
                        target_type,
                        target_id,
                        role_id,
                        row.inherited,
                        row.target_type,
                        row.target_id,
                        row.role_id,
                        through,
                        prior,
                    )


def _groups_of(connection: Connection, user_id: str) -> list[str]:
    return list(connection.execute(sa.select(memberships.c.group_id).where(memberships.c.user_id == user_id)).scalars())


def _effective_filters(wanted: Wanted, group_ids: list[str]) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.user_id is not None:
        yield sa.or_(
            sa.and_(assignments.c.actor_type == USER, assignments.c.actor_id == wanted.user_id),
            sa.and_(assignments.c.actor_type == GROUP, assignments.c.actor_id.in_(group_ids)),
        )
    if wanted.project_id is not None:
        above = [project_tree.line(wanted.project_id)]
        if wanted.subtree:
            above.append(project_tree.subtree(wanted.project_id))
        direct = assignments.c.target_id.in_(above[-1]) if wanted.subtree else _is(wanted.project_id)
        yield sa.or_(
            sa.and_(assignments.c.target_type == PROJECT, assignments.c.inherited.is_(False), direct),
            sa.and_(
                assignments.c.target_type.in_((PROJECT, DOMAIN)),
                assignments.c.inherited.is_(True),
                sa.or_(*(assignments.c.target_id.in_(ids) for ids in above)),
            ),
        )
    elif wanted.domain_id is not None:
        yield sa.and_(assignments.c.target_type == DOMAIN, _is(wanted.domain_id), assignments.c.inherited.is_(False))
    elif wanted.system:
        yield assignments.c.target_type == SYSTEM
    else:
        yield assignments.c.target_type != SYSTEM  # the original lists those only when they are asked for
    if wanted.inherited is not None:
        yield assignments.c.inherited.is_(wanted.inherited)


def _is(target_id: str) -> sa.ColumnElement[bool]:
    return assignments.c.target_id == target_id


def _members(connection: Connection) -> dict[str, list[str]]:
    """Group id -> its members, of the groups that are granted anything."""
    granted = sa.select(assignments.c.actor_id).where(assignments.c.actor_type == GROUP)
    query = sa.select(memberships).where(memberships.c.group_id.in_(granted)).order_by(memberships.c.user_id)
    found: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.group_id].append(row.user_id)
    return found


class _Places:
    """Where one grant counts: on its target, or if it is inherited on every project below."""

    def __init__(self, below: dict[str, list[str]], only: frozenset[str] | None) -> None:
        self._below = below
        self._only = only

    def __call__(self, row: Row[Any]) -> Iterable[tuple[str, str]]:
        if not row.inherited:
            return ((row.target_type, row.target_id),)
        only = self._only
        return [(PROJECT, id_) for id_ in self._below.get(row.target_id, ()) if only is None or id_ in only]


def _places(connection: Connection, wanted: Wanted, rows: Iterable[Row[Any]]) -> _Places:
    if not any(row.inherited for row in rows):
        return _Places({}, None)
    if wanted.project_id is None:
        return _Places(project_tree.below(connection), None)
    within = [project_tree.line(wanted.project_id)]
    if wanted.subtree:
        within.append(project_tree.subtree(wanted.project_id))
    below = project_tree.below(connection, within)
    in_subtree = below.get(wanted.project_id, ()) if wanted.subtree else ()
    return _Places(below, frozenset((wanted.project_id, *in_subtree)))


def _roles_of(row: Row[Any], graph: implications.Graph, only: str | None) -> list[tuple[str, str | None]]:
    """(role, the role that implies it) for the granted role and all it implies; domains' own roles are left out."""
    held: list[tuple[str, str | None]] = [] if row.role_domain_id else [(row.role_id, None)]
    held += [(role.id, prior) for prior, role in graph.implied_by(row.role_id) if role.domain_id is None]
    return [pair for pair in held if only is None or pair[0] == only]


def find_for(identity: Identity, wanted: Wanted, in_domain: str | None = None) -> list[Assignment]:
    """The list, only what lies in the domain `in_domain` when it is given."""
    with identity.db.read() as connection:
        found = find(connection, wanted)
        if in_domain is None:
            return found
        inside = set(connection.execute(sa.select(projects.c.id).where(projects.c.domain_id == in_domain)).scalars())
    return [
        line
        for line in found
        if (line.target_type == DOMAIN and line.target_id == in_domain)
        or (line.target_type == PROJECT and line.target_id in inside)
    ]


def domain_of_project(identity: Identity, project_id: str) -> str | None:
    """Raises NotFound."""
    query = sa.select(projects.c.domain_id).where(projects.c.id == project_id)
    with identity.db.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise not_found("project", project_id)
    return row.domain_id or None


def names_of(identity: Identity, found: Iterable[Assignment]) -> Names:
    """The names of everything in these lines. At most five queries."""
    lines = list(found)
    with identity.db.read() as connection:
        return Names(
            connection,
            user_ids=(line.actor_id for line in lines if line.actor_type == USER),
            group_ids=(line.actor_id for line in lines if line.actor_type == GROUP),
            project_ids=(line.target_id for line in lines if line.target_type != SYSTEM),
            role_ids=(line.role_id for line in lines),
        )
