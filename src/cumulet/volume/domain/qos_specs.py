"""QoS specs and the volume types that have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.volume.domain import listing
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import qos_specs, volume_types

_PER_GB: Final = "_per_gb"
CONSUMERS: Final = ("back-end", "front-end", "both")
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: qos_specs.c[key] for key in ("id", "name", "consumer", "created_at", "updated_at")
}
FILTERS: Final = frozenset(("id", "name", "consumer"))


def load(connection: Connection, qos_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    query = sa.select(qos_specs).where(qos_specs.c.id == qos_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"No such QoS spec {qos_id}.")
    return row


def specs_of(row: Row[Any]) -> dict[str, str]:
    return msgspec.json.decode(row.specs, type=dict[str, str])


def conditions(wanted: Wanted) -> list[Condition]:
    return [listing.equals(qos_specs.c[key], value) for key, value in wanted.filters.items() if key in FILTERS]


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, qos_specs, where, wanted, sorts=SORTS, unknown_marker=lambda marker: not_found("QoS specs", marker)
    )


def create(volume: Volume, name: str, consumer: str, specs: dict[str, str]) -> Row[Any]:
    """Raises Conflict for a name that is taken."""
    row = {
        "id": uuid_id(),
        "name": name,
        "consumer": consumer,
        "specs": msgspec.json.encode(specs).decode(),
        "created_at": volume.now(),
    }
    with volume.db.write() as connection:
        try:
            connection.execute(sa.insert(qos_specs).values(**row))
        except IntegrityError:
            raise Conflict(f"QoS Specs {name} already exists.") from None
        return load(connection, str(row["id"]))


def set_specs(volume: Volume, qos_id: str, consumer: str | None, specs: dict[str, str]) -> None:
    with volume.db.write() as connection:
        row = load(connection, qos_id, lock=True)
        values: dict[str, Any] = {"specs": msgspec.json.encode(specs_of(row) | specs).decode()}
        if consumer is not None:
            values["consumer"] = consumer
        _change(volume, connection, qos_id, values)


def unset(volume: Volume, qos_id: str, keys: list[str]) -> None:
    """Raises the 404 for a key that is not there."""
    with volume.db.write() as connection:
        found = specs_of(load(connection, qos_id, lock=True))
        for key in keys:
            if key not in found:
                raise NotFound(f"QoS spec {qos_id} has no spec with key {key}.")
            del found[key]
        _change(volume, connection, qos_id, {"specs": msgspec.json.encode(found).decode()})


def _change(volume: Volume, connection: Connection, qos_id: str, values: dict[str, Any]) -> None:
    connection.execute(sa.update(qos_specs).where(qos_specs.c.id == qos_id).values(updated_at=volume.now(), **values))


def delete(volume: Volume, qos_id: str, *, force: bool) -> None:
    """Raises BadRequest for one that types have, unless `force`."""
    with volume.db.write() as connection:
        load(connection, qos_id, lock=True)
        mine = volume_types.c.qos_specs_id == qos_id
        if not force and connection.execute(sa.select(volume_types.c.id).where(mine)).first() is not None:
            raise BadRequest(f"QoS Specs {qos_id} is still associated with entities.")
        connection.execute(sa.update(volume_types).where(mine).values(qos_specs_id=None))
        connection.execute(sa.delete(qos_specs).where(qos_specs.c.id == qos_id))


def associations(connection: Connection, qos_id: str) -> list[Row[Any]]:
    load(connection, qos_id)
    query = sa.select(volume_types.c.id, volume_types.c.name).where(volume_types.c.qos_specs_id == qos_id)
    return list(connection.execute(query.order_by(volume_types.c.created_at, volume_types.c.id)))


def associate(volume: Volume, qos_id: str, type_id: str) -> None:
    """Raises BadRequest for a type that has others."""
    with volume.db.write() as connection:
        load(connection, qos_id, lock=True)
        row = _type(connection, type_id)
        if row.qos_specs_id not in (None, qos_id):
            raise BadRequest(f"Type {type_id} is already associated with another qos specs: {row.qos_specs_id}")
        connection.execute(sa.update(volume_types).where(volume_types.c.id == type_id).values(qos_specs_id=qos_id))


def disassociate(volume: Volume, qos_id: str, type_id: str | None) -> None:
    """From one type, or from all."""
    with volume.db.write() as connection:
        load(connection, qos_id, lock=True)
        mine = volume_types.c.qos_specs_id == qos_id
        if type_id is not None:
            _type(connection, type_id)
            mine = sa.and_(mine, volume_types.c.id == type_id)
        connection.execute(sa.update(volume_types).where(mine).values(qos_specs_id=None))


def _type(connection: Connection, type_id: str) -> Row[Any]:
    row = connection.execute(sa.select(volume_types).where(volume_types.c.id == type_id).with_for_update()).first()
    if row is None:
        raise not_found("Volume type", type_id)
    return row


def for_volume(connection: Connection, qos_id: str | None, size_gb: int) -> dict[str, str] | None:
    """What a connection_info tells the hypervisor; None where only the back end heeds them."""
    if qos_id is None:
        return None
    row = connection.execute(sa.select(qos_specs).where(qos_specs.c.id == qos_id)).first()
    if row is None or row.consumer == "back-end":
        return None
    return _of_size(specs_of(row), size_gb)


def _of_size(specs: dict[str, str], size_gb: int) -> dict[str, str]:
    """Rates that are said per GB (total_iops_sec_per_gb, at least …_per_gb_min, at most …_sec_max) as the volume's."""
    found = dict(specs)
    for name, per_gb in specs.items():
        rate = name.removesuffix(_PER_GB)
        if rate == name or not per_gb.isdigit():
            continue
        least, most = found.pop(f"{name}_min", "0"), found.pop(f"{rate}_max", "")
        value = max(int(per_gb) * size_gb, int(least) if least.isdigit() else 0)
        found[rate] = str(min(value, int(most)) if most.isdigit() else value)
        del found[name]
    return found
