"""OAuth 1.0a consumers: programs that users may let act for them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations
from cumulet.identity.service import Identity
from cumulet.identity.tables import oauth1_consumers
from cumulet.kernel.errors import NotFound
from cumulet.kernel.ids import hex_id

Consumer = dict[str, Any]
"""{"id", "description", and what else the client had given}; the secret is only shown when it is made"""


def _consumer(row: Any) -> Consumer:
    return {**msgspec.json.decode(row.extra), "id": row.id, "description": row.description}


def find(identity: Identity) -> list[Consumer]:
    """Sorted by id."""
    with identity.db.read() as connection:
        return [
            _consumer(row) for row in connection.execute(sa.select(oauth1_consumers).order_by(oauth1_consumers.c.id))
        ]


def _row(connection: Connection, consumer_id: str) -> Any:
    row = connection.execute(sa.select(oauth1_consumers).where(oauth1_consumers.c.id == consumer_id)).first()
    if row is None:
        raise NotFound("Consumer not found")
    return row


def show(identity: Identity, consumer_id: str) -> Consumer:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return _consumer(_row(connection, consumer_id))


def secret(connection: Connection, consumer_id: str) -> str:
    """Raises NotFound."""
    return str(_row(connection, consumer_id).secret)


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Consumer:
    """With its `secret`."""
    row = {"description": None, **values, "id": hex_id(), "secret": hex_id()}
    with identity.db.write() as connection:
        stored = msgspec.json.encode(extra).decode()
        connection.execute(sa.insert(oauth1_consumers).values(**row, extra=stored))
    return {**extra, **row}


def update(identity: Identity, consumer_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Consumer:
    """Raises NotFound."""
    with identity.db.write() as connection:
        kept = msgspec.json.decode(_row(connection, consumer_id).extra) | extra
        stored = {**values, "extra": msgspec.json.encode(kept).decode()}
        connection.execute(sa.update(oauth1_consumers).where(oauth1_consumers.c.id == consumer_id).values(**stored))
        return _consumer(_row(connection, consumer_id))


def delete(identity: Identity, consumer_id: str) -> None:
    """Also ends all that users let it do. Raises NotFound."""
    with identity.db.write() as connection:
        _row(connection, consumer_id)
        connection.execute(sa.delete(oauth1_consumers).where(oauth1_consumers.c.id == consumer_id))
        generations.bump(connection)
