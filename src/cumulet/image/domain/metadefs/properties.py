"""Properties that stand in a namespace by themselves."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.image.schemas.metadefs import Property, plain
from cumulet.image.tables import metadef_properties as table
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def of_namespace(connection: Connection, namespace_id: str) -> dict[str, dict[str, Any]]:
    """Definitions by name."""
    query = (
        sa.select(table.c.name, table.c.schema)
        .where(table.c.namespace_id == namespace_id)
        .order_by(table.c.created_at, table.c.name)
    )
    return {row.name: _decode(row.schema) for row in connection.execute(query)}


def get(connection: Connection, namespace_id: str, namespace: str, name: str) -> dict[str, Any]:
    """Raises NotFound."""
    query = sa.select(table.c.schema).where(table.c.namespace_id == namespace_id, table.c.name == name)
    found = connection.execute(query).scalar()
    if found is None:
        raise NotFound(f"The metadata definition property with name={name} was not found in namespace={namespace}.")
    definition: dict[str, Any] = _decode(found)
    return definition


def insert(connection: Connection, namespace_id: str, name: str, definition: Property, now: int) -> None:
    """Raises IntegrityError for a name in use."""
    row = {"id": uuid_id(), "namespace_id": namespace_id, "name": name, "created_at": now, "updated_at": now}
    connection.execute(sa.insert(table).values(**row, schema=_encode(plain(definition)).decode()))


def update(connection: Connection, namespace_id: str, name: str, new_name: str, definition: Property, now: int) -> None:
    """Raises IntegrityError for a new name in use."""
    where = (table.c.namespace_id == namespace_id, table.c.name == name)
    values = {"name": new_name, "schema": _encode(plain(definition)).decode(), "updated_at": now}
    connection.execute(sa.update(table).where(*where).values(**values))


def delete(connection: Connection, namespace_id: str, name: str) -> None:
    connection.execute(sa.delete(table).where(table.c.namespace_id == namespace_id, table.c.name == name))


def delete_all(connection: Connection, namespace_id: str) -> None:
    connection.execute(sa.delete(table).where(table.c.namespace_id == namespace_id))
