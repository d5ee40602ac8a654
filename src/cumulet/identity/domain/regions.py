"""Regions: a tree of names under which endpoints stand."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations, policy_associations, registered_limits
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoints, regions
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden

Region = dict[str, Any]
"""{"id", "description", "parent_region_id", and what else the client had given}"""


def _region(row: Row[Any]) -> Region:
    return {
        **msgspec.json.decode(row.extra),
        "id": row.id,
        "description": row.description,
        "parent_region_id": row.parent_region_id,
    }


def find(identity: Identity, *, parent_region_id: str | None) -> list[Region]:
    query = sa.select(regions).order_by(regions.c.id)
    if parent_region_id is not None:
        query = query.where(regions.c.parent_region_id == parent_region_id)
    with identity.db.read() as connection:
        return [_region(row) for row in connection.execute(query)]


def show(identity: Identity, region_id: str) -> Region:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return _load(connection, region_id)


def _load(connection: Connection, region_id: str) -> Region:
    row = connection.execute(sa.select(regions).where(regions.c.id == region_id)).first()
    if row is None:
        raise not_found("region", region_id)
    return _region(row)


def create(identity: Identity, region_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Region:
    """Raises Conflict for an id in use, NotFound for an unknown parent, BadRequest for itself as parent."""
    row = {"parent_region_id": None, **values, "id": region_id, "description": values.get("description") or ""}
    try:
        with identity.db.write() as connection:
            _check_parent(connection, region_id, row["parent_region_id"])
            connection.execute(sa.insert(regions).values(**row, extra=msgspec.json.encode(extra).decode()))
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {region_id}..") from None
    return {**extra, **row}


def update(identity: Identity, region_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Region:
    """Raises NotFound for the region or its new parent, BadRequest for a circle of parents."""
    with identity.db.write() as connection:
        generations.bump(connection)  # first, so that two changes cannot close a circle together
        region = _load(connection, region_id)
        kept = {key: value for key, value in region.items() if key not in regions.c} | extra
        if "parent_region_id" in values:
            _check_parent(connection, region_id, values["parent_region_id"])
        stored = {**values, "extra": msgspec.json.encode(kept).decode()}
        if "description" in values:
            stored["description"] = values["description"] or ""
        connection.execute(sa.update(regions).where(regions.c.id == region_id).values(**stored))
        return _load(connection, region_id)


def _check_parent(connection: Connection, region_id: str, parent_id: str | None) -> None:
    if parent_id is None:
        return
    query = sa.select(regions.c.id, regions.c.parent_region_id)
    above = query.where(regions.c.id == parent_id).cte("above", recursive=True)
    above = above.union(query.join(above, regions.c.id == above.c.parent_region_id))
    line = set(connection.execute(sa.select(above.c.id)).scalars())
    if region_id in line or region_id == parent_id:
        raise BadRequest(
            f"The specified parent region {parent_id} would create a circular region hierarchy (parent_region_id)."
        )
    if parent_id not in line:
        raise not_found("region", parent_id)


def delete(identity: Identity, region_id: str) -> None:
    """Also deletes the regions below it. Raises NotFound, or Forbidden while one of them has endpoints."""
    query = sa.select(regions.c.id)
    below = query.where(regions.c.id == region_id).cte("below", recursive=True)
    below = below.union(query.join(below, regions.c.parent_region_id == below.c.id))
    with identity.db.write() as connection:
        _load(connection, region_id)
        gone = list(connection.execute(sa.select(below.c.id)).scalars())
        if connection.execute(sa.select(endpoints.c.id).where(endpoints.c.region_id.in_(gone)).limit(1)).first():
            raise Forbidden(
                f"Unable to delete region {region_id} because it or its child regions have associated endpoints."
            )
        for one in gone:
            policy_associations.purge(connection, region_id=one)
            registered_limits.purge(connection, region_id=one)
        connection.execute(sa.delete(regions).where(regions.c.id.in_(gone)))
        generations.bump(connection)
