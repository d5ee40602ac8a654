"""Registered limits: how much of a resource every project may have that has no limit of its own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.errors import expected
from cumulet.identity.service import Identity
from cumulet.identity.tables import limits, regions, registered_limits, services
from cumulet.kernel.errors import Conflict, Forbidden, NotFound
from cumulet.kernel.ids import hex_id

RegisteredLimit = dict[str, Any]
"""{"id", "service_id", "region_id", "resource_name", "default_limit", "description"}"""

_BY_ID = sa.select(registered_limits).where(registered_limits.c.id == sa.bindparam("limit_id"))


def find(identity: Identity, **equal: str | None) -> list[RegisteredLimit]:
    """Those with the given `service_id`, `region_id` and `resource_name` (None: any), sorted by id."""
    query = sa.select(registered_limits).order_by(registered_limits.c.id)
    query = query.where(*(registered_limits.c[name] == value for name, value in equal.items() if value is not None))
    with identity.db.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def show(identity: Identity, limit_id: str) -> RegisteredLimit:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return _load(connection, limit_id)


def _load(connection: Connection, limit_id: str, *, lock: bool = False) -> RegisteredLimit:
    row = connection.execute(_BY_ID.with_for_update() if lock else _BY_ID, {"limit_id": limit_id}).first()
    if row is None:
        raise NotFound(f"Could not find registered limit for {limit_id}.")
    return dict(row._mapping)


def create(identity: Identity, given: list[dict[str, Any]]) -> list[RegisteredLimit]:
    """All or none. Raises BadRequest for an unknown service or region, Conflict where there is one already."""
    rows = [{**one, "id": hex_id()} for one in given]
    with identity.db.write() as connection:
        for row in rows:
            check_place(connection, row, "registered_limit")
            _check_single(connection, row)
            connection.execute(sa.insert(registered_limits).values(**row))
    return rows


def check_place(connection: Connection, row: dict[str, Any], target: str) -> None:
    """Raise BadRequest naming a service or region that there is not.

    The service stays locked until the transaction ends, so that two callers cannot make the same limit at once.
    """
    service = sa.select(services.c.id).where(services.c.id == row["service_id"]).with_for_update()
    if connection.execute(service).first() is None:
        raise expected("service_id", target)
    if row.get("region_id") is not None:
        region = sa.select(regions.c.id).where(regions.c.id == row["region_id"]).with_for_update(read=True)
        if connection.execute(region).first() is None:
            raise expected("region_id", target)


def at(row: dict[str, Any]) -> sa.ColumnElement[bool]:
    """The condition for the registered limit of this resource of this service in this region."""
    region_id = row.get("region_id")
    return sa.and_(
        registered_limits.c.service_id == row["service_id"],
        registered_limits.c.region_id.is_(None) if region_id is None else registered_limits.c.region_id == region_id,
        registered_limits.c.resource_name == row["resource_name"],
    )


def _check_single(connection: Connection, row: dict[str, Any]) -> None:
    query = sa.select(registered_limits.c.id).where(at(row), registered_limits.c.id != row["id"])
    if connection.execute(query).first() is not None:
        raise Conflict("Conflict occurred attempting to store registered_limit - Duplicate entry.")


def update(identity: Identity, limit_id: str, values: dict[str, Any]) -> RegisteredLimit:
    """Raises NotFound, Forbidden while projects or domains have limits of their own, and as `create` does."""
    with identity.db.write() as connection:
        row = _load(connection, limit_id, lock=True) | values
        if values:
            check_place(connection, row, "registered_limit")
            _check_unused(connection, limit_id)
            _check_single(connection, row)
            connection.execute(sa.update(registered_limits).where(registered_limits.c.id == limit_id).values(**values))
        return row


def delete(identity: Identity, limit_id: str) -> None:
    """Raises NotFound, or Forbidden while projects or domains have limits of their own."""
    with identity.db.write() as connection:
        _load(connection, limit_id, lock=True)
        _check_unused(connection, limit_id)
        connection.execute(sa.delete(registered_limits).where(registered_limits.c.id == limit_id))


def _check_unused(connection: Connection, limit_id: str) -> None:
    if connection.execute(sa.select(limits.c.id).where(limits.c.registered_limit_id == limit_id).limit(1)).first():
        raise Forbidden(
            f"Unable to update or delete registered limit {limit_id} because there are project limits associated "
            "with it."
        )


def purge(connection: Connection, *, service_id: str | None = None, region_id: str | None = None) -> None:
    """Delete all limits, also the projects', of a service or region that goes."""
    gone = sa.select(registered_limits.c.id).where(
        registered_limits.c.service_id == service_id
        if service_id is not None
        else registered_limits.c.region_id == region_id
    )
    connection.execute(sa.delete(limits).where(limits.c.registered_limit_id.in_(gone)))
    ids = list(connection.execute(gone).scalars())
    connection.execute(sa.delete(registered_limits).where(registered_limits.c.id.in_(ids)))
