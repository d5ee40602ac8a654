"""A project's place in its tree, as far as a caller may know it (Identity API v3, Projects: show)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import projects
from cumulet.identity.domain.assignments import projects_of
from cumulet.identity.domain.project_tree import subtree
from cumulet.identity.domain.projects import Project
from cumulet.identity.tables import projects as table

IdTree = dict[str, Any] | None
"""`{"<id>": {"<id>": None}}`; None where there is nothing."""

_BELOW = sa.select(table.c.id, table.c.parent_id).where(
    table.c.id.in_(subtree(sa.bindparam("project_id", type_=sa.String(64)))),
    table.c.id != sa.bindparam("project_id"),
)
_USERS = sa.select(*projects.COLUMNS).where(
    table.c.id.in_(sa.bindparam("ids", expanding=True)),
    table.c.id.in_(projects_of(sa.bindparam("user_id", type_=sa.String(64)))),
)


def parents_as_ids(connection: Connection, project_id: str) -> IdTree:
    tree: IdTree = None
    for above in reversed(projects.ancestors(connection, project_id)):
        tree = {above: tree}
    return tree


def _children(connection: Connection, project_id: str) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for child, parent in connection.execute(_BELOW, {"project_id": project_id}):
        children.setdefault(parent, []).append(child)
    return children


def subtree_as_ids(connection: Connection, project_id: str) -> IdTree:
    children = _children(connection, project_id)

    def tree(of: str) -> IdTree:
        return {child: tree(child) for child in sorted(children[of])} if of in children else None

    return tree(project_id)


def users_parents(connection: Connection, project_id: str, user_id: str) -> list[Project]:
    """The projects above on which the user has a role, nearest first."""
    return _users(connection, projects.ancestors(connection, project_id), user_id)


def users_subtree(connection: Connection, project_id: str, user_id: str) -> list[Project]:
    """The projects below on which the user has a role, the higher ones first."""
    children = _children(connection, project_id)
    ids, level = [], [project_id]
    while level:
        level = [child for parent in level for child in sorted(children.get(parent, ()))]
        ids += level
    return _users(connection, ids, user_id)


def _users(connection: Connection, ids: Collection[str], user_id: str) -> list[Project]:
    if not ids:
        return []
    rows = connection.execute(_USERS, {"ids": list(ids), "user_id": user_id}).fetchall()
    found = {row[0]: projects.project_of(row) for row in rows}
    for project_id, tags in projects.tags_of(connection, sorted(found)).items():
        if project_id in found:
            found[project_id].tags = tags
    return [found[project_id] for project_id in ids if project_id in found]
