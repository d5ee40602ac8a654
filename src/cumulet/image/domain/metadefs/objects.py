"""Objects: groups of properties that belong together."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.engine import Connection, Row

from cumulet.image.schemas.metadefs import Object as Body
from cumulet.image.schemas.metadefs import plain
from cumulet.image.tables import metadef_objects as table
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import uuid_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Object = dict[str, Any]
"""{"name", "description", "required", "properties", "created_at", "updated_at"}; None for what was not given"""


def _object(row: Row[Any]) -> Object:
    return {
        "name": row.name,
        "description": row.description,
        "required": _decode(row.required),
        "properties": _decode(row.properties),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _values(body: Body) -> dict[str, Any]:
    properties = None
    if body.properties is not UNSET:
        properties = {name: plain(definition) for name, definition in body.properties.items()}
    return {
        "name": body.name,
        "description": None if body.description is UNSET else body.description,
        "required": _encode(None if body.required is UNSET else body.required).decode(),
        "properties": _encode(properties).decode(),
    }


def of_namespace(connection: Connection, namespace_id: str) -> list[Object]:
    query = sa.select(table).where(table.c.namespace_id == namespace_id).order_by(table.c.created_at, table.c.name)
    return [_object(row) for row in connection.execute(query)]


def get(connection: Connection, namespace_id: str, namespace: str, name: str) -> Object:
    """Raises NotFound."""
    row = connection.execute(sa.select(table).where(table.c.namespace_id == namespace_id, table.c.name == name)).first()
    if row is None:
        raise NotFound(f"The metadata definition object with name={name} was not found in namespace={namespace}.")
    return _object(row)


def insert(connection: Connection, namespace_id: str, body: Body, now: int) -> None:
    """Raises IntegrityError for a name in use."""
    row = {"id": uuid_id(), "namespace_id": namespace_id, **_values(body), "created_at": now, "updated_at": now}
    connection.execute(sa.insert(table).values(**row))


def update(connection: Connection, namespace_id: str, name: str, body: Body, now: int) -> None:
    """Raises IntegrityError for a new name in use."""
    where = (table.c.namespace_id == namespace_id, table.c.name == name)
    connection.execute(sa.update(table).where(*where).values(**_values(body), updated_at=now))


def delete(connection: Connection, namespace_id: str, name: str) -> None:
    connection.execute(sa.delete(table).where(table.c.namespace_id == namespace_id, table.c.name == name))


def delete_all(connection: Connection, namespace_id: str) -> None:
    connection.execute(sa.delete(table).where(table.c.namespace_id == namespace_id))
