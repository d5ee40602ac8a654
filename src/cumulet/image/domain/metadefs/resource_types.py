"""Resource types, and which namespaces are meant for them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.image.schemas.metadefs import Association as Body
from cumulet.image.tables import metadef_associations as associations
from cumulet.image.tables import metadef_resource_types as table
from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.ids import uuid_id

Association = dict[str, Any]
"""{"name", "prefix", "properties_target", "created_at", "updated_at"}; None for what was not given"""


def find(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(sa.select(table).order_by(table.c.name)))


def namespaces_with(names: list[str]) -> sa.Select[Any]:
    """The ids of namespaces for one of these types."""
    joined = associations.join(table, table.c.id == associations.c.resource_type_id)
    return sa.select(associations.c.namespace_id).select_from(joined).where(table.c.name.in_(names))


def of_namespaces(connection: Connection, namespace_ids: list[str]) -> dict[str, list[Association]]:
    """By namespace id, in one query."""
    joined = associations.join(table, table.c.id == associations.c.resource_type_id)
    query = (
        sa.select(table.c.name, associations)
        .select_from(joined)
        .where(associations.c.namespace_id.in_(namespace_ids))
        .order_by(associations.c.created_at, table.c.name)
    )
    found: defaultdict[str, list[Association]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.namespace_id].append(
            {
                "name": row.name,
                "prefix": row.prefix,
                "properties_target": row.properties_target,
                "created_at": row.created_at,
                "updated_at": row.updated_at,
            }
        )
    return found


def insert(connection: Connection, namespace_id: str, body: Body, now: int) -> None:
    """Make the association, and the type if it is new. Raises IntegrityError for an association there already."""
    row = {
        "namespace_id": namespace_id,
        "resource_type_id": _type_id(connection, body.name, now),
        "prefix": None if body.prefix is UNSET else body.prefix,
        "properties_target": None if body.properties_target is UNSET else body.properties_target,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(sa.insert(associations).values(**row))


def _type_id(connection: Connection, name: str, now: int) -> str:
    found = connection.execute(sa.select(table.c.id).where(table.c.name == name)).scalar()
    if found is not None:
        return str(found)
    new_id = uuid_id()
    try:
        connection.execute(sa.insert(table).values(id=new_id, name=name, created_at=now, updated_at=now))
    except IntegrityError as error:
        if violates_unique(error):
            # Another made the type this instant: from the start, with his.
            raise TransactionLost(str(error.orig)) from error
        raise
    return new_id


def delete(connection: Connection, namespace_id: str, name: str) -> bool:
    """Whether the association was there. The type stays, as in the original."""
    types = sa.select(table.c.id).where(table.c.name == name)
    where = (associations.c.namespace_id == namespace_id, associations.c.resource_type_id.in_(types))
    return connection.execute(sa.delete(associations).where(*where)).rowcount > 0
