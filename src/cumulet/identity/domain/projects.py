"""Projects: what users own things in, in a tree below each domain. A domain is a project that acts as one."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, project_rules, purge, resource_options, revocations
from cumulet.identity.domain.assignments import projects_of
from cumulet.identity.domain.listing import Listing, Page, Window, text_filters
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import ROOT, project_tags, projects
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden
from cumulet.kernel.ids import hex_id


class Project(msgspec.Struct):
    """`domain_id` and `parent_id` are None for a domain; `tags` are sorted, and only there when they were asked for."""

    id: str
    domain_id: str | None
    parent_id: str | None
    name: str
    description: str | None
    enabled: bool
    is_domain: bool
    options: dict[str, Any]
    extra: dict[str, Any]
    tags: list[str] = msgspec.field(default_factory=list)


COLUMNS = (
    projects.c.id,
    projects.c.domain_id,
    projects.c.parent_id,
    projects.c.name,
    projects.c.description,
    projects.c.enabled,
    projects.c.is_domain,
    projects.c.options,
    projects.c.extra,
)
_BY_ID = sa.select(*COLUMNS).where(projects.c.id == sa.bindparam("project_id"))
_TAGS = (
    sa.select(project_tags.c.name)
    .where(project_tags.c.project_id == sa.bindparam("project_id"))
    .order_by(project_tags.c.name)
)
_CHILD = sa.select(projects.c.id).where(projects.c.parent_id == sa.bindparam("project_id")).limit(1)


def _tagged(negated: bool, every: bool) -> sa.ColumnElement[bool]:
    """Whether a project has every one, or any one, of the tags in the parameter."""
    prefix = "not_tags" if negated else "tags"
    name = prefix if every else f"{prefix}_any"
    having = project_tags.c.name.in_(sa.bindparam(name, expanding=True))
    if every:
        tagged = (
            sa.select(project_tags.c.project_id)
            .where(having)
            .group_by(project_tags.c.project_id)
            .having(sa.func.count() == sa.bindparam(f"{name}_count", type_=sa.Integer))
        )
    else:
        tagged = sa.select(project_tags.c.project_id).where(having)
    condition = projects.c.id.in_(tagged)
    return sa.not_(condition) if negated else condition


_lower = sa.func.lower
_FILTERS = {
    "id": projects.c.id == sa.bindparam("id"),
    "domain_id": projects.c.domain_id == sa.bindparam("domain_id"),
    "within": projects.c.domain_id == sa.bindparam("within"),
    "parent_id": projects.c.parent_id == sa.bindparam("parent_id"),
    "enabled": projects.c.enabled == sa.bindparam("enabled", type_=sa.Boolean),
    "is_domain": projects.c.is_domain == sa.bindparam("is_domain", type_=sa.Boolean),
    "name": projects.c.name == sa.bindparam("name"),
    "name_in_any_case": _lower(projects.c.name) == _lower(sa.bindparam("name_in_any_case", type_=sa.String)),
    "tags": _tagged(negated=False, every=True),
    "tags_any": _tagged(negated=False, every=False),
    "not_tags": _tagged(negated=True, every=True),
    "not_tags_any": _tagged(negated=True, every=False),
    "of_user": projects.c.id.in_(projects_of(sa.bindparam("of_user", type_=sa.String(64)))),
    **text_filters("name", projects.c.name),
}
LISTING = Listing(sa.select(*COLUMNS), projects.c.id, _FILTERS)


def find(identity: Identity, filters: dict[str, Any], window: Window) -> tuple[Page, dict[str, list[str]]]:
    """Rows of COLUMNS that meet the filters, sorted by id, and project id -> tags. Two queries.

    Filters by name: `domain_id`, `within` (a domain id too), `parent_id`, `enabled`, `is_domain`, `name`,
    `name_in_any_case`,
    `name__contains`…, `of_user` (on which the user has a role), and lists of names `tags`, `tags_any`, `not_tags`,
    `not_tags_any`. Raises NotFound for an unknown marker.
    """
    values = dict(filters)
    for name in ("tags", "not_tags"):
        if name in values:
            values[f"{name}_count"] = len(values[name])
    with identity.db.read() as connection:
        page = LISTING.page(connection, filters.keys(), values, window)
        return page, tags_of(connection, [row[0] for row in page.rows])


_TAGS_BETWEEN = (
    sa.select(project_tags.c.project_id, project_tags.c.name)
    .where(project_tags.c.project_id >= sa.bindparam("first"), project_tags.c.project_id <= sa.bindparam("last"))
    .order_by(project_tags.c.project_id, project_tags.c.name)
)
_TAGS_IN = (
    sa.select(project_tags.c.project_id, project_tags.c.name)
    .where(project_tags.c.project_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(project_tags.c.project_id, project_tags.c.name)
)
_FEW = 50


def tags_of(connection: Connection, project_ids: list[str]) -> dict[str, list[str]]:
    """Project id -> its tags, sorted, for those that have any. `project_ids` are sorted. One query."""
    if not project_ids:
        return {}
    if len(project_ids) <= _FEW:
        rows = connection.execute(_TAGS_IN, {"ids": project_ids})
    else:
        # A long list is most of a range of ids, and reading the range is cheaper than naming every id.
        rows = connection.execute(_TAGS_BETWEEN, {"first": project_ids[0], "last": project_ids[-1]})
    found: dict[str, list[str]] = {}
    for project_id, name in rows:
        found.setdefault(project_id, []).append(name)
    return found


def project_of(row: Any) -> Project:
    """A Project of a row of COLUMNS."""
    project_id, domain_id, parent_id, name, description, enabled, is_domain, options, extra = row
    return Project(
        project_id,
        domain_id or None,
        parent_id,
        name,
        description,
        enabled,
        is_domain,
        {} if options == "{}" else msgspec.json.decode(options),
        {} if extra == "{}" else msgspec.json.decode(extra),
    )


def load(connection: Connection, project_id: str, *, kind: str = "project", lock: bool = False) -> Project:
    """A project without its tags. `lock` keeps others from changing it until the transaction ends. Raises NotFound."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"project_id": project_id}).first()
    if row is None:
        raise not_found(kind, project_id)
    return project_of(row)


def load_with_tags(connection: Connection, project_id: str, *, kind: str = "project", lock: bool = False) -> Project:
    """Raises NotFound."""
    project = load(connection, project_id, kind=kind, lock=lock)
    project.tags = [name for (name,) in connection.execute(_TAGS, {"project_id": project_id})]
    return project


def show(identity: Identity, project_id: str) -> Project:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load_with_tags(connection, project_id)


def _line_above() -> sa.Select[Any]:
    start = sa.select(projects.c.id, projects.c.parent_id, sa.literal(0).label("level")).where(
        projects.c.id == sa.bindparam("project_id")
    )
    line = start.cte("line", recursive=True)
    line = line.union_all(
        sa.select(projects.c.id, projects.c.parent_id, line.c.level + 1).join(line, projects.c.id == line.c.parent_id)
    )
    return sa.select(line.c.id).where(line.c.level > 0).order_by(line.c.level)


_ANCESTORS = _line_above()


def ancestors(connection: Connection, project_id: str) -> list[str]:
    """The ids of all projects above, nearest first, the domain's last. Empty for a domain. One query."""
    return [above for (above,) in connection.execute(_ANCESTORS, {"project_id": project_id})]


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Project:
    """`values`: `name`, and of `domain_id`, `parent_id`, `is_domain`, `description`, `enabled`, `options`, `tags` those
    that the client gave; one of `domain_id` and `parent_id` at least unless it is a domain. `id` is for a domain only.

    Raises BadRequest for a place in the tree that cannot be, Forbidden for one too deep, Conflict for a name in use.
    """
    project = Project(
        values.get("id") or hex_id(),
        values.get("domain_id"),
        values.get("parent_id"),
        values["name"],
        values.get("description", ""),
        values.get("enabled", True),
        bool(values.get("is_domain")),
        resource_options.merged({}, values.get("options") or {}),
        extra,
        sorted(values.get("tags") or ()),
    )
    project_rules.check_name(identity.conf, project.name, is_domain=project.is_domain)
    try:
        with identity.db.write() as connection:
            _check_domain_name(connection, project)
            project_rules.settle_place(connection, identity.conf, project)
            connection.execute(sa.insert(projects), _row(project))
            insert_tags(connection, project.id, project.tags)
            return project
    except IntegrityError as error:
        raise _duplicate(error, project) from None


def _row(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "domain_id": project.domain_id or ROOT,
        "parent_id": project.parent_id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
        "is_domain": project.is_domain,
        "options": msgspec.json.encode(project.options).decode(),
        "extra": msgspec.json.encode(project.extra).decode(),
    }


def insert_tags(connection: Connection, project_id: str, tags: list[str]) -> None:
    if tags:
        rows = [{"project_id": project_id, "name": name} for name in tags]
        connection.execute(sa.insert(project_tags), rows)


_SAME_DOMAIN_NAME = sa.select(projects.c.id).where(
    projects.c.domain_id == ROOT,
    projects.c.id != sa.bindparam("id"),
    _lower(projects.c.name) == _lower(sa.bindparam("name")),
)


def _check_domain_name(connection: Connection, project: Project) -> None:
    """Names of domains are found in any case, so they differ in more than that."""
    if project.is_domain and connection.execute(_SAME_DOMAIN_NAME, {"id": project.id, "name": project.name}).first():
        raise _clash(project)


def _duplicate(error: IntegrityError, project: Project) -> Exception:
    return _clash(project) if violates_unique(error) else error


def _clash(project: Project) -> Conflict:
    if project.is_domain:
        clash = f"it is not permitted to have two projects acting as domains with the same name: {project.name}."
    else:
        clash = (
            "it is not permitted to have two projects with either the same name or same id in the same domain: "
            f"name is {project.name}, project id {project.id}."
        )
    return Conflict(f"Conflict occurred attempting to store project - {clash}")


_UPDATE = sa.update(projects).where(projects.c.id == sa.bindparam("project_id"))


def update(identity: Identity, project_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Project:
    """Raises NotFound, BadRequest for what never changes, Forbidden for an immutable project or an order of enabled and
    disabled projects that cannot be, Conflict for a name in use."""
    with identity.db.read() as connection:
        is_domain = load(connection, project_id).is_domain
    return change(identity, project_id, values, extra, kind="domain" if is_domain else "project")


def change(identity: Identity, project_id: str, values: dict[str, Any], extra: dict[str, Any], *, kind: str) -> Project:
    """`update` of a project that refusals call `kind`."""
    changed: Project | None = None
    try:
        with identity.db.write() as connection:
            project = load_with_tags(connection, project_id, kind=kind, lock=True)
            if kind == "domain" and not project.is_domain:
                raise not_found(kind, project_id)
            resource_options.check_update(kind, project_id, project.options, {**values, **extra})
            _check_fixed(project, values)
            changed = _changed(project, values, extra)
            if changed.name != project.name:
                project_rules.check_name(identity.conf, changed.name, is_domain=changed.is_domain)
                _check_domain_name(connection, changed)
            if changed.enabled != project.enabled:
                project_rules.check_switch(connection, changed)
                if not changed.enabled:
                    _end_tokens(connection, changed)
            connection.execute(_UPDATE, {"project_id": project_id, **_row(changed)})
            if changed.tags != project.tags:
                connection.execute(sa.delete(project_tags).where(project_tags.c.project_id == project_id))
                insert_tags(connection, project_id, changed.tags)
            generations.bump(connection)
            return changed
    except IntegrityError as error:
        assert changed is not None
        raise _duplicate(error, changed) from None


def _check_fixed(project: Project, values: dict[str, Any]) -> None:
    if "parent_id" in values and values["parent_id"] != project.parent_id:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if "domain_id" in values and values["domain_id"] != project.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if "is_domain" in values and bool(values["is_domain"]) != project.is_domain:
        raise BadRequest("Update of `is_domain` is not allowed.")


def _changed(project: Project, values: dict[str, Any], extra: dict[str, Any]) -> Project:
    changed = msgspec.structs.replace(
        project,
        **{name: values[name] for name in ("name", "description", "enabled") if name in values},
        options=resource_options.merged(project.options, values.get("options") or {}),
        extra={**project.extra, **extra},
    )
    if "tags" in values:
        changed.tags = sorted(values["tags"])
    return changed


def _end_tokens(connection: Connection, project: Project) -> None:
    if project.is_domain:
        revocations.revoke(connection, domain_id=project.id)
    else:
        revocations.revoke(connection, project_id=project.id)


def delete(identity: Identity, project_id: str) -> None:
    """Raises NotFound, or Forbidden for an immutable project or one with projects below it."""
    with identity.db.write() as connection:
        project = load(connection, project_id, lock=True)
        if project.is_domain:
            project_rules.check_domain_delete(connection, project)
            purge.domain(connection, project_id)
            return
        resource_options.check_delete("project", project_id, project.options)
        if connection.execute(_CHILD, {"project_id": project_id}).first() is not None:
            raise Forbidden(
                f"Cannot delete the project {project_id} since it is not a leaf in the hierarchy. Use the cascade "
                "option if you want to delete a whole subtree."
            )
        purge.project(connection, project_id)
