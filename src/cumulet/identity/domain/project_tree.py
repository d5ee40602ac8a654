"""The tree of projects below the domains, as much of it as one question needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.tables import projects


def subtree(project_id: sa.ColumnElement[str] | str) -> sa.Select[tuple[str]]:
    """A query for the ids of a project and of all projects below it, to be used with `in_()`."""
    below = sa.select(projects.c.id).where(projects.c.id == project_id).cte("subtree", recursive=True)
    below = below.union(sa.select(projects.c.id).join(below, projects.c.parent_id == below.c.id))
    return sa.select(below.c.id)


def line(project_id: sa.ColumnElement[str] | str) -> sa.Select[tuple[str]]:
    """A query for the ids of a project, of all projects above it and of its domain, to be used with `in_()`."""
    above = (
        sa.select(projects.c.id, projects.c.parent_id).where(projects.c.id == project_id).cte("line", recursive=True)
    )
    above = above.union(sa.select(projects.c.id, projects.c.parent_id).join(above, projects.c.id == above.c.parent_id))
    return sa.select(above.c.id)


def below(connection: Connection, within: Collection[sa.Select[tuple[str]]] = ()) -> dict[str, list[str]]:
    """Project or domain id -> the ids of all projects below it. One query.

    Only projects in one of the queries `within` are looked at, all without any.
    """
    query = sa.select(projects.c.id, projects.c.parent_id)
    if within:
        query = query.where(sa.or_(*(projects.c.id.in_(ids) for ids in within)))
    parents: dict[str, str | None] = {row.id: row.parent_id for row in connection.execute(query)}
    found: dict[str, list[str]] = defaultdict(list)
    for project_id in parents:
        above = parents[project_id]
        while above is not None:
            found[above].append(project_id)
            above = parents.get(above)
    return found
