"""What roles a user has where: directly, through groups, inherited from above, and by implication."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain.implications import RoleRef, expand
from cumulet.identity.domain.project_tree import line
from cumulet.identity.tables import DOMAIN, GROUP, PROJECT, SYSTEM, USER, assignments, memberships, projects, roles

__all__ = ["EVERYTHING", "RoleRef", "Targets", "domains_of", "effective_roles", "projects_of", "targets_of"]

EVERYTHING = "all"
"""The `target_id` of assignments on the system."""


class Targets(NamedTuple):
    """Where a user has any role; the ids of projects and domains, and whether on the system."""

    projects: frozenset[str]
    domains: frozenset[str]
    system: bool


def _held(user: sa.ColumnElement[str], condition: sa.ColumnElement[bool], *columns: Any) -> sa.CompoundSelect[Any]:
    """`columns` of the assignments that meet `condition`, of the user and of the groups the user is in.

    A union and not an OR, so that every database reads both halves along the primary key.
    """
    source = assignments.join(roles, roles.c.id == assignments.c.role_id) if roles.c.id in columns else assignments
    found = sa.select(*columns).select_from(source).where(condition)
    groups = sa.select(memberships.c.group_id).where(memberships.c.user_id == user)
    own = found.where(assignments.c.actor_type == USER, assignments.c.actor_id == user)
    return own.union(found.where(assignments.c.actor_type == GROUP, assignments.c.actor_id.in_(groups)))


def _user_parameter() -> sa.BindParameter[str]:
    return sa.bindparam("user_id", type_=sa.String(64))


def _roles_on(condition: sa.ColumnElement[bool]) -> sa.CompoundSelect[Any]:
    return _held(_user_parameter(), condition, roles.c.id, roles.c.name, roles.c.domain_id)


def _exactly(target_type: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        assignments.c.target_type == target_type,
        assignments.c.target_id == sa.bindparam("target_id", type_=sa.String(64)),
        assignments.c.inherited.is_(False),
    )


def _counts_on_project() -> sa.ColumnElement[bool]:
    """Its own assignments, and the inherited ones of all projects above it and of its domain."""
    project = sa.bindparam("target_id", type_=sa.String(64))
    return sa.and_(
        assignments.c.target_type.in_((PROJECT, DOMAIN)),
        assignments.c.target_id.in_(line(project)),
        sa.or_(
            sa.and_(assignments.c.inherited.is_(True), assignments.c.target_id != project),
            sa.and_(
                assignments.c.inherited.is_(False),
                assignments.c.target_id == project,
                assignments.c.target_type == PROJECT,
            ),
        ),
    )


_ROLES_ON_PROJECT = _roles_on(_counts_on_project())
_ROLES_ON_DOMAIN = _roles_on(_exactly(DOMAIN))
_ROLES_ON_SYSTEM = _roles_on(_exactly(SYSTEM))


def effective_roles(
    connection: Connection,
    user_id: str,
    *,
    project_id: str | None = None,
    domain_id: str | None = None,
    system: bool = False,
) -> list[RoleRef]:
    """The roles that a token of the user for this one target carries, sorted by name; none: no such token.

    Two queries: the assignments, and the generation under which the graph of implied roles is remembered.
    """
    if project_id is not None:
        query, target = _ROLES_ON_PROJECT, project_id
    elif domain_id is not None:
        query, target = _ROLES_ON_DOMAIN, domain_id
    elif system:
        query, target = _ROLES_ON_SYSTEM, EVERYTHING
    else:
        return []
    rows = connection.execute(query, {"user_id": user_id, "target_id": target})
    held = [RoleRef(role_id, name, owner or None) for role_id, name, owner in rows]
    return sorted(expand(connection, held), key=lambda role: role.name) if held else []


def projects_of(user: sa.ColumnElement[str]) -> sa.Select[Any]:
    """A query for the ids of all projects on which the user has a role, to be used with `in_()`."""
    inherits = sa.and_(assignments.c.inherited.is_(True), assignments.c.target_type.in_((PROJECT, DOMAIN)))
    tops = _held(user, inherits, assignments.c.target_id).subquery("tops")
    below = sa.select(projects.c.id).join(tops, projects.c.parent_id == tops.c.target_id).cte("below", recursive=True)
    below = below.union(sa.select(projects.c.id).join(below, projects.c.parent_id == below.c.id))
    direct = sa.and_(assignments.c.inherited.is_(False), assignments.c.target_type == PROJECT)
    own = _held(user, direct, assignments.c.target_id).subquery("own")
    return sa.select(sa.union(sa.select(own.c.target_id), sa.select(below.c.id)).subquery("projects_of").c[0])


def domains_of(user: sa.ColumnElement[str]) -> sa.Select[Any]:
    """A query for the ids of all domains on which the user has a role, to be used with `in_()`."""
    direct = sa.and_(assignments.c.inherited.is_(False), assignments.c.target_type == DOMAIN)
    return sa.select(_held(user, direct, assignments.c.target_id).subquery("domains_of").c[0])


_PROJECTS_OF = projects_of(_user_parameter())
_DOMAINS_OF = domains_of(_user_parameter())


def targets_of(connection: Connection, user_id: str) -> Targets:
    """Every project, domain and the system, if the user has a role there. Three queries."""
    user = {"user_id": user_id}
    return Targets(
        frozenset(project_id for (project_id,) in connection.execute(_PROJECTS_OF, user)),
        frozenset(domain_id for (domain_id,) in connection.execute(_DOMAINS_OF, user)),
        connection.execute(_ROLES_ON_SYSTEM, {**user, "target_id": EVERYTHING}).first() is not None,
    )
