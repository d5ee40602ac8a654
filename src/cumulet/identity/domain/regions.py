"""Regions: a tree of names under which endpoints stand."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import generations
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoints, regions
from cumulet.kernel.errors import Conflict, Forbidden

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
    """Raises Conflict for an id in use, NotFound for an unknown parent."""
    row = {"description": "", "parent_region_id": None, **values, "id": region_id}
    row["description"] = row["description"] or ""
    try:
        with identity.db.write() as connection:
            _check_parent(connection, region_id, row["parent_region_id"])
            connection.execute(sa.insert(regions).values(**row, extra=msgspec.json.encode(extra).decode()))
    except IntegrityError:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {region_id}.") from None
    return {**extra, **row}


def update(identity: Identity, region_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Region:
    """Raises NotFound for the region or its new parent, Forbidden for a circle of parents."""
    with identity.db.write() as connection:
        region = _load(connection, region_id)
        kept = {key: value for key, value in region.items() if key not in regions.c} | extra
        if "parent_region_id" in values:
            _check_parent(connection, region_id, values["parent_region_id"])
        stored = {**values, "extra": msgspec.json.encode(kept).decode()}
        connection.execute(sa.update(regions).where(regions.c.id == region_id).values(**stored))
        return _load(connection, region_id)


def _check_parent(connection: Connection, region_id: str, parent_id: str | None) -> None:
    """The tree is shallow, so walking up costs a query a level."""
    while parent_id is not None:
        if parent_id == region_id:
            raise Forbidden(f"The region {region_id} cannot be an ancestor of itself.")
        parent_id = _load(connection, parent_id)["parent_region_id"]


def delete(identity: Identity, region_id: str) -> None:
    """Raises NotFound, or Conflict while endpoints or child regions need it."""
    with identity.db.write() as connection:
        _load(connection, region_id)
        used = connection.execute(sa.select(endpoints.c.id).where(endpoints.c.region_id == region_id).limit(1)).first()
        child = connection.execute(
            sa.select(regions.c.id).where(regions.c.parent_region_id == region_id).limit(1)
        ).first()
        if used or child:
            raise Conflict(
                f"Unable to delete region {region_id} because it or its child regions have associated endpoints."
            )
        connection.execute(sa.delete(regions).where(regions.c.id == region_id))
        generations.bump(connection)
