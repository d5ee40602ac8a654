"""Limits: how much of a resource one project or one domain may have, in place of the registered default."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import limit_model, registered_limits
from cumulet.identity.errors import expected
from cumulet.identity.service import Identity
from cumulet.identity.tables import limits, projects
from cumulet.identity.tables import registered_limits as registered
from cumulet.kernel.errors import Conflict, Forbidden, NotFound
from cumulet.kernel.ids import hex_id

Limit = dict[str, Any]
"""{"id", "project_id", "domain_id", "resource_limit", "description", "service_id", "region_id", "resource_name"}"""

_ALL = (
    sa.select(
        limits.c.id,
        limits.c.project_id,
        limits.c.domain_id,
        limits.c.resource_limit,
        limits.c.description,
        registered.c.service_id,
        registered.c.region_id,
        registered.c.resource_name,
        limits.c.registered_limit_id,
    )
    .join(registered, registered.c.id == limits.c.registered_limit_id)
    .order_by(limits.c.id)
)
_BY_ID = _ALL.where(limits.c.id == sa.bindparam("limit_id"))


def find(
    identity: Identity, *, of_project: str | None = None, of_domain: str | None = None, **equal: str | None
) -> list[Limit]:
    """Those with the given `service_id`, `region_id`, `resource_name`, `project_id` and `domain_id`, sorted by id.

    `of_project` and `of_domain` bound what is seen to one project, or to one domain and its projects.
    """
    query = _ALL
    for name, value in equal.items():
        if value is not None:
            table = limits if name in limits.c else registered
            query = query.where(table.c[name] == value)
    if of_project is not None:
        query = query.where(limits.c.project_id == of_project)
    if of_domain is not None:
        inside = sa.select(projects.c.id).where(projects.c.domain_id == of_domain)
        query = query.where(sa.or_(limits.c.domain_id == of_domain, limits.c.project_id.in_(inside)))
    with identity.db.read() as connection:
        return [_shown(row._mapping) for row in connection.execute(query)]


def _shown(row: Any) -> Limit:
    return {key: value for key, value in row.items() if key != "registered_limit_id"}


def show(identity: Identity, limit_id: str) -> Limit:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return _shown(_load(connection, limit_id))


def domain_of(identity: Identity, limit: Limit) -> str | None:
    """The domain of a project's limit, for rules to look at."""
    query = sa.select(projects.c.domain_id).where(projects.c.id == limit["project_id"])
    with identity.db.read() as connection:
        return connection.execute(query).scalar()


def _load(connection: Connection, limit_id: str) -> dict[str, Any]:
    row = connection.execute(_BY_ID, {"limit_id": limit_id}).first()
    if row is None:
        raise NotFound(f"Could not find limit for {limit_id}.")
    return dict(row._mapping)


def create(identity: Identity, given: list[dict[str, Any]]) -> list[Limit]:
    """All or none. `project_id` may be a domain's id and means the domain then.

    Raises BadRequest for an unknown service, region, project or domain, Forbidden without a registered limit or
    against the enforcement model, Conflict where there is one already.
    """
    check = limit_model.check_for(identity.conf.unified_limit.enforcement_model)
    created = []
    with identity.db.write() as connection:
        for one in given:
            row = {**one, **_owner(connection, one)}
            registered_limits.check_place(connection, row, "limit")
            row["registered_limit_id"] = _registered(connection, row)
            _check_single(connection, row)
            stored = {"id": hex_id(), **{key: value for key, value in row.items() if key in limits.c}}
            connection.execute(sa.insert(limits).values(**stored))
            created.append(_load(connection, stored["id"]))
        # Only now: a domain's limit and those of its projects may come in one request, in any order.
        for limit in created:
            check(connection, limit)
    return [_shown(limit) for limit in created]


def _owner(connection: Connection, given: dict[str, Any]) -> dict[str, str | None]:
    name = "project_id" if given.get("project_id") is not None else "domain_id"
    query = sa.select(projects.c.is_domain).where(projects.c.id == given[name]).with_for_update(read=True)
    is_domain = connection.execute(query).scalar()
    if is_domain is None or (name == "domain_id" and not is_domain):
        raise expected(name, "limit")
    return {"project_id": None if is_domain else given[name], "domain_id": given[name] if is_domain else None}


def _registered(connection: Connection, row: dict[str, Any]) -> str:
    query = sa.select(registered.c.id).where(registered_limits.at(row)).with_for_update()
    found: str | None = connection.execute(query).scalar()
    if found is None:
        raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
    return found


def _check_single(connection: Connection, row: dict[str, Any]) -> None:
    owner = "project_id" if row["project_id"] is not None else "domain_id"
    query = sa.select(limits.c.id).where(
        limits.c.registered_limit_id == row["registered_limit_id"], limits.c[owner] == row[owner]
    )
    if connection.execute(query).first() is not None:
        raise Conflict("Conflict occurred attempting to store limit - Duplicate entry.")


def update(identity: Identity, limit_id: str, values: dict[str, Any]) -> Limit:
    """Raises NotFound, or Forbidden against the enforcement model."""
    check = limit_model.check_for(identity.conf.unified_limit.enforcement_model)
    with identity.db.write() as connection:
        limit = _load(connection, limit_id) | values
        if values:
            connection.execute(sa.update(limits).where(limits.c.id == limit_id).values(**values))
            check(connection, limit)
        return _shown(limit)


def delete(identity: Identity, limit_id: str) -> None:
    """Raises NotFound."""
    with identity.db.write() as connection:
        _load(connection, limit_id)
        connection.execute(sa.delete(limits).where(limits.c.id == limit_id))
