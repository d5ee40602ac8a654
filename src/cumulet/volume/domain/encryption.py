"""How volumes of a type are encrypted. QEMU does it (LUKS), whatever provider is named."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import volume_types, volumes

Encryption = dict[str, Any]
FIELDS = ("provider", "control_location", "cipher", "key_size")


def of(connection: Connection, type_id: str, *, lock: bool = False) -> Encryption | None:
    """None for a type without. Raises the 404 for a type that is not there."""
    query = sa.select(volume_types).where(volume_types.c.id == type_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found("Volume type", type_id)
    return of_row(row)


def of_row(row: Row[Any]) -> Encryption | None:
    return None if row.encryption is None else msgspec.json.decode(row.encryption, type=dict[str, Any])


def create(volume: Volume, type_id: str, values: Encryption) -> Encryption:
    """Raises BadRequest where there is one, or where volumes of the type are in use."""
    with volume.db.write() as connection:
        if of(connection, type_id, lock=True) is not None:
            raise BadRequest(f"Volume type encryption for type {type_id} already exists.")
        _unused(connection, type_id, "Cannot create encryption specs. Volume type in use.")
        made = {"encryption_id": uuid_id(), "created_at": volume.now(), **values}
        _store(volume, connection, type_id, made)
        return made


def update(volume: Volume, type_id: str, changes: Encryption) -> None:
    with volume.db.write() as connection:
        found = of(connection, type_id, lock=True)
        if found is None:
            raise _none(type_id)
        _unused(connection, type_id, "Cannot update encryption specs. Volume type in use.")
        _store(volume, connection, type_id, found | changes | {"updated_at": volume.now()})


def delete(volume: Volume, type_id: str) -> None:
    with volume.db.write() as connection:
        found = of(connection, type_id, lock=True)
        if found is None:
            raise _none(type_id)
        _unused(connection, type_id, "Cannot delete encryption specs. Volume type in use.")
        _store(volume, connection, type_id, None)


def _none(type_id: str) -> NotFound:
    return NotFound(f"Volume type encryption for type {type_id} does not exist.")


def _unused(connection: Connection, type_id: str, refusal: str) -> None:
    if connection.execute(sa.select(volumes.c.id).where(volumes.c.volume_type_id == type_id)).first() is not None:
        raise BadRequest(refusal)


def _store(volume: Volume, connection: Connection, type_id: str, values: Encryption | None) -> None:
    text = None if values is None else msgspec.json.encode(values).decode()
    changed = {"encryption": text, "updated_at": volume.now()}
    connection.execute(sa.update(volume_types).where(volume_types.c.id == type_id).values(**changed))


def bits(values: Encryption) -> int:
    """How long the passphrase of a volume is."""
    return int(values.get("key_size") or 256)
