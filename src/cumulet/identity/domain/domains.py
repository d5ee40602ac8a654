"""Domains: the namespaces of users, groups and projects. Each is a project that acts as a domain."""

from __future__ import annotations

from typing import Any

from cumulet.identity.domain import project_rules, projects, purge
from cumulet.identity.domain.listing import Page, Window
from cumulet.identity.domain.projects import Project
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import ROOT


def find(identity: Identity, filters: dict[str, Any], window: Window) -> tuple[Page, dict[str, list[str]]]:
    """Rows of `projects.COLUMNS` that meet the filters, sorted by id, and domain id -> tags. Two queries.

    Filters by name: `enabled`, `name`, `name__contains`…, `id`. Raises NotFound for an unknown marker.
    """
    wanted = {("name_in_any_case" if name == "name" else name): value for name, value in filters.items()}
    return projects.find(identity, {**wanted, "domain_id": ROOT}, window)


def show(identity: Identity, domain_id: str) -> Project:
    """Raises NotFound."""
    with identity.db.read() as connection:
        domain = projects.load_with_tags(connection, domain_id, kind="domain")
    if not domain.is_domain:
        raise not_found("domain", domain_id)
    return domain


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Project:
    """`values`: `name`, and of `id`, `description`, `enabled`, `options`, `tags` those given. Raises Conflict."""
    return projects.create(identity, {**values, "is_domain": True}, extra)


def update(identity: Identity, domain_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Project:
    """A domain that is disabled ends the tokens of its users and projects.

    Raises NotFound, Forbidden for an immutable domain, Conflict for a name in use.
    """
    return projects.change(identity, domain_id, values, extra, kind="domain")


def delete(identity: Identity, domain_id: str) -> None:
    """With its users, groups, projects and roles. Raises NotFound, or Forbidden while it is enabled or immutable."""
    with identity.db.write() as connection:
        domain = projects.load(connection, domain_id, kind="domain", lock=True)
        if not domain.is_domain:
            raise not_found("domain", domain_id)
        project_rules.check_domain_delete(connection, domain)
        purge.domain(connection, domain_id)
