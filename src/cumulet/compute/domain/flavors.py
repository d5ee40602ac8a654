"""Flavors: the sizes servers come in, who may use them, and what else they ask of a host."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain.counters import next_number
from cumulet.compute.errors import not_found
from cumulet.compute.service import Compute
from cumulet.compute.tables import flavor_projects, flavors
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.upsert import insert_if_absent

Values = dict[str, Any]


def visible(ctx: Context) -> sa.ColumnElement[bool] | None:
    """Public ones and those the caller's project was given; administrators see all."""
    if ctx.is_admin:
        return None
    given = sa.select(flavor_projects.c.flavor_id).where(flavor_projects.c.project_id == ctx.project_id)
    return sa.or_(flavors.c.is_public, flavors.c.id.in_(given))


def load(connection: Connection, flavor_id: str, ctx: Context | None = None, *, lock: bool = False) -> Row[Any]:
    """Raises the 404, also for one the caller may not see."""
    query = sa.select(flavors).where(flavors.c.id == flavor_id)
    seen = visible(ctx) if ctx is not None else None
    if seen is not None:
        query = query.where(seen)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found("Flavor", flavor_id)
    return row


def find(
    connection: Connection,
    ctx: Context,
    conditions: list[sa.ColumnElement[bool]],
    *,
    sort: str,
    descending: bool,
    limit: int,
    marker: str | None,
) -> list[Row[Any]]:
    """A page and one row more, when there is one. Raises BadRequest for an unknown marker."""
    column = flavors.c[sort]
    query = sa.select(flavors).where(*conditions)
    seen = visible(ctx)
    if seen is not None:
        query = query.where(seen)
    if marker is not None:
        at = connection.execute(sa.select(column, flavors.c.id).where(flavors.c.id == marker)).first()
        if at is None:
            raise BadRequest(f"marker [{marker}] not found")
        beyond = column < at[0] if descending else column > at[0]
        query = query.where(sa.or_(beyond, sa.and_(column == at[0], flavors.c.id > at[1])))
    query = query.order_by(column.desc() if descending else column.asc(), flavors.c.id.asc()).limit(limit + 1)
    return list(connection.execute(query))


def create(compute: Compute, values: Values) -> Row[Any]:
    """Raises Conflict for a name or id in use. A private flavor is no project's until it is given to one."""
    row = {"extra_specs": "{}", "disabled": False, "created_at": compute.now(), "updated_at": None, **values}
    with compute.db.write() as connection:
        row["position"] = next_number(connection, "flavors")
        if not insert_if_absent(connection, flavors, row):
            taken = connection.execute(sa.select(flavors.c.id).where(flavors.c.id == row["id"])).first()
            what = f"ID {row['id']}" if taken is not None else f"name {row['name']}"
            raise Conflict(f"Flavor with {what} already exists.")
        return load(connection, row["id"])


def describe(compute: Compute, flavor_id: str, description: str | None) -> Row[Any]:
    with compute.db.write() as connection:
        load(connection, flavor_id, lock=True)
        changed = {"description": description, "updated_at": compute.now()}
        connection.execute(sa.update(flavors).where(flavors.c.id == flavor_id).values(**changed))
        return load(connection, flavor_id)


def delete(compute: Compute, flavor_id: str) -> None:
    """Servers keep what the flavor was when they were made."""
    with compute.db.write() as connection:
        load(connection, flavor_id, lock=True)
        connection.execute(sa.delete(flavor_projects).where(flavor_projects.c.flavor_id == flavor_id))
        connection.execute(sa.delete(flavors).where(flavors.c.id == flavor_id))


def projects_of(connection: Connection, flavor_id: str) -> list[str]:
    query = sa.select(flavor_projects.c.project_id).where(flavor_projects.c.flavor_id == flavor_id)
    return list(connection.execute(query.order_by(flavor_projects.c.project_id)).scalars())


def give(compute: Compute, flavor_id: str, project_id: str, *, public: bool = False) -> list[str]:
    """Let a project use a private flavor. Raises Conflict the second time, and for a public one unless it may be."""
    with compute.db.write() as connection:
        row = load(connection, flavor_id, lock=True)
        if row.is_public and not public:
            raise Conflict("Can not add access to a public flavor.")
        if not insert_if_absent(connection, flavor_projects, {"flavor_id": flavor_id, "project_id": project_id}):
            raise Conflict(f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination.")
        return projects_of(connection, flavor_id)


def take(compute: Compute, flavor_id: str, project_id: str) -> list[str]:
    """Raises NotFound when the project had no access, as to a public flavor, which needs none."""
    with compute.db.write() as connection:
        load(connection, flavor_id, lock=True)
        mine = sa.and_(flavor_projects.c.flavor_id == flavor_id, flavor_projects.c.project_id == project_id)
        if connection.execute(sa.delete(flavor_projects).where(mine)).rowcount == 0:
            raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
        return projects_of(connection, flavor_id)


def extra_specs(row: Row[Any]) -> dict[str, str]:
    return msgspec.json.decode(row.extra_specs, type=dict[str, str])


def set_extra_specs(compute: Compute, flavor_id: str, specs: dict[str, str]) -> dict[str, str]:
    """Add or replace some; returns all."""
    with compute.db.write() as connection:
        row = load(connection, flavor_id, lock=True)
        return _store_specs(connection, flavor_id, {**extra_specs(row), **specs})


def remove_extra_spec(compute: Compute, flavor_id: str, key: str) -> None:
    """Raises NotFound."""
    with compute.db.write() as connection:
        specs = extra_specs(load(connection, flavor_id, lock=True))
        if key not in specs:
            raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
        del specs[key]
        _store_specs(connection, flavor_id, specs)


def _store_specs(connection: Connection, flavor_id: str, specs: dict[str, str]) -> dict[str, str]:
    text = msgspec.json.encode(specs).decode()
    connection.execute(sa.update(flavors).where(flavors.c.id == flavor_id).values(extra_specs=text))
    return specs
