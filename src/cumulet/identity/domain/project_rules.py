"""Where projects may stand and when they may be switched or deleted (Identity API v3, Projects: hierarchy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy.engine import Connection

from cumulet.identity.domain import resource_options
from cumulet.identity.domain.project_tree import subtree
from cumulet.identity.tables import projects
from cumulet.kernel.errors import BadRequest, Forbidden

if TYPE_CHECKING:
    from cumulet.identity.domain.projects import Project

_RESERVED = frozenset(":/?#[]@!$&'()*+,;=")  # RFC 3986, section 2.2


def check_name(conf: cfg.ConfigOpts, name: str, *, is_domain: bool) -> None:
    """Raise BadRequest for a name that the operator wants to be safe in URLs and that is not."""
    wanted = conf.resource.domain_name_url_safe if is_domain else conf.resource.project_name_url_safe
    if wanted == "off":
        return
    reserved = "".join(sorted(_RESERVED.intersection(name)))
    if reserved:
        kind = "Domain" if is_domain else "Project"
        raise BadRequest(f"{kind} name cannot contain the following reserved characters: {reserved}")


_PLACE = sa.select(projects.c.id, projects.c.domain_id, projects.c.is_domain).where(
    projects.c.id == sa.bindparam("project_id")
)


def settle_place(connection: Connection, conf: cfg.ConfigOpts, project: Project) -> None:
    """Fill in the domain by the parent and the parent by the domain. Raises BadRequest or Forbidden."""
    if project.is_domain:
        if project.domain_id or project.parent_id:
            raise BadRequest("only root projects are allowed to act as domains.")
        return
    if project.domain_id:
        domain = connection.execute(_PLACE, {"project_id": project.domain_id}).first()
        if domain is None or not domain.is_domain:
            raise BadRequest(f"Could not find domain: {project.domain_id}.")
    if not project.parent_id:
        project.parent_id = project.domain_id
    parent = connection.execute(_PLACE, {"project_id": project.parent_id}).first()
    if parent is None:
        raise BadRequest(f"Could not find project: {project.parent_id}.")
    parents_domain = parent.id if parent.is_domain else parent.domain_id
    if project.domain_id and project.domain_id != parents_domain:
        raise BadRequest(
            f"Cannot create project, since it specifies its domain_id {project.domain_id}, but specifies a parent in "
            f"a different domain ({parents_domain})."
        )
    project.domain_id = parents_domain
    _check_branch(connection, conf, parent.id)


def _branch(connection: Connection, project_id: str) -> list[tuple[str, bool]]:
    """(id, enabled) of a project and of those above it, locked against change until the transaction ends."""
    found: list[tuple[str, bool]] = []
    current: str | None = project_id
    query = sa.select(projects.c.id, projects.c.enabled, projects.c.parent_id).with_for_update(read=True)
    while current is not None:
        # A tree is at most some levels deep (max_project_tree_depth), and a lock is taken on one row at a time.
        row = connection.execute(query.where(projects.c.id == current)).first()
        if row is None:
            break
        found.append((row.id, row.enabled))
        current = row.parent_id
    return found


def _check_branch(connection: Connection, conf: cfg.ConfigOpts, parent_id: str) -> None:
    branch = _branch(connection, parent_id)
    if not branch:
        raise BadRequest(f"Could not find project: {parent_id}.")
    if len(branch) > conf.max_project_tree_depth:
        raise Forbidden(f"Max hierarchy depth reached for {parent_id} branch.")
    for project_id, enabled in branch:
        if not enabled:
            raise BadRequest(f"cannot create a project in a branch containing a disabled project: {project_id}")


def check_switch(connection: Connection, project: Project) -> None:
    """Raise Forbidden when `project` must not become what its `enabled` says now. A domain always may."""
    if project.is_domain:
        return
    if project.enabled:
        above = _branch(connection, project.parent_id) if project.parent_id else []
        if not all(enabled for _, enabled in above):
            raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents")
        return
    below = sa.select(projects.c.id).where(
        projects.c.id.in_(subtree(project.id)), projects.c.id != project.id, projects.c.enabled.is_(True)
    )
    if connection.execute(below.limit(1)).first() is not None:
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")


def check_domain_delete(connection: Connection, domain: Project) -> None:
    """Raise Forbidden for a domain that is enabled or immutable or has an immutable project."""
    resource_options.check_delete("domain", domain.id, domain.options)
    if domain.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    marked = sa.select(projects.c.id, projects.c.options).where(
        projects.c.domain_id == domain.id, projects.c.options != "{}"
    )
    for project_id, options in connection.execute(marked):
        resource_options.check_delete("project", project_id, msgspec.json.decode(options))
