"""Groups of endpoints, told by what they have in common, to be given to projects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoint_groups, endpoints
from cumulet.kernel.ids import hex_id

EndpointGroup = dict[str, Any]
"""{"id", "name", "description", "filters": {"interface", "service_id", "region_id": what is asked for}}"""

_BY_ID = sa.select(endpoint_groups).where(endpoint_groups.c.id == sa.bindparam("group_id"))


def group_of(row: Any) -> EndpointGroup:
    filters = msgspec.json.decode(row.filters)
    return {"id": row.id, "name": row.name, "description": row.description, "filters": filters}


def find(identity: Identity, *, name: str | None) -> list[EndpointGroup]:
    """Sorted by id."""
    query = sa.select(endpoint_groups).order_by(endpoint_groups.c.id)
    if name is not None:
        query = query.where(endpoint_groups.c.name == name)
    with identity.db.read() as connection:
        return [group_of(row) for row in connection.execute(query)]


def show(identity: Identity, group_id: str) -> EndpointGroup:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, group_id)


def load(connection: Connection, group_id: str, *, lock: bool = False) -> EndpointGroup:
    """With `lock` the group stays until the transaction ends. Raises NotFound."""
    query = _BY_ID.with_for_update(read=True) if lock else _BY_ID
    row = connection.execute(query, {"group_id": group_id}).first()
    if row is None:
        raise not_found("Endpoint Group", group_id)
    return group_of(row)


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    if "filters" not in values:
        return values
    return {**values, "filters": msgspec.json.encode(values["filters"]).decode()}


def create(identity: Identity, values: dict[str, Any]) -> EndpointGroup:
    group_id = hex_id()
    with identity.db.write() as connection:
        connection.execute(sa.insert(endpoint_groups).values(**_stored(values), id=group_id))
        return load(connection, group_id)


def update(identity: Identity, group_id: str, values: dict[str, Any]) -> EndpointGroup:
    """Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, group_id)
        connection.execute(sa.update(endpoint_groups).where(endpoint_groups.c.id == group_id).values(**_stored(values)))
        generations.bump(connection)
        return load(connection, group_id)


def delete(identity: Identity, group_id: str) -> None:
    """Also takes it from its projects. Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, group_id)
        connection.execute(sa.delete(endpoint_groups).where(endpoint_groups.c.id == group_id))
        generations.bump(connection)


def endpoints_of(identity: Identity, group_id: str) -> list[Any]:
    """The rows of the endpoints in the group, sorted by id. Raises NotFound."""
    with identity.db.read() as connection:
        group = load(connection, group_id)
        return list(connection.execute(sa.select(endpoints).where(matching([group])).order_by(endpoints.c.id)))


def matching(groups: Iterable[EndpointGroup]) -> sa.ColumnElement[bool]:
    """The condition for endpoints that are in any of the groups."""
    return sa.or_(
        sa.false(),
        *(
            sa.and_(
                *(
                    endpoints.c[name].is_(None) if value is None else endpoints.c[name] == value
                    for name, value in group["filters"].items()
                )
            )
            for group in groups
        ),
    )
