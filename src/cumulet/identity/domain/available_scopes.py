"""What a user can get a token for: every project and domain with a role for the user, and the system."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.identity.domain import assignments, projects
from cumulet.identity.domain.listing import ALL
from cumulet.identity.service import Identity
from cumulet.identity.tables import projects as projects_table

_DOMAINS = (
    sa.select(*projects.COLUMNS)
    .where(projects_table.c.id.in_(assignments.domains_of(sa.bindparam("user_id", type_=sa.String(64)))))
    .order_by(projects_table.c.id)
)


def _document(project: projects.Project, tags: list[str]) -> dict[str, Any]:
    shown = {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "description": project.description or "",
        "enabled": project.enabled,
        "tags": tags,
        "options": project.options,
    }
    if not project.is_domain:
        shown |= {"domain_id": project.domain_id, "parent_id": project.parent_id, "is_domain": False}
    return shown


def projects_of(identity: Identity, user_id: str) -> list[dict[str, Any]]:
    """Sorted by id."""
    page, tags = projects.find(identity, {"of_user": user_id}, ALL)
    found = [projects.project_of(row) for row in page.rows]
    return [_document(project, tags.get(project.id, [])) for project in found]


def domains_of(identity: Identity, user_id: str) -> list[dict[str, Any]]:
    """Sorted by id."""
    with identity.db.read() as connection:
        found = [projects.project_of(row) for row in connection.execute(_DOMAINS, {"user_id": user_id})]
        tags = projects.tags_of(connection, [domain.id for domain in found])
    return [_document(domain, tags.get(domain.id, [])) for domain in found]


def has_system(identity: Identity, user_id: str) -> bool:
    with identity.db.read() as connection:
        return bool(assignments.effective_roles(connection, user_id, system=True))
