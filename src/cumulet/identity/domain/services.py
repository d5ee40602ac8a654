"""Services of the cloud, as the catalog names them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations, policy_associations, registered_limits
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import services
from cumulet.kernel.ids import hex_id

Service = dict[str, Any]
"""{"id", "type", "name", "enabled", "description" if there is one, and what else the client had given}"""

_BY_ID = sa.select(services).where(services.c.id == sa.bindparam("service_id"))


def _service(row: Any) -> Service:
    service = {
        **msgspec.json.decode(row.extra),
        "id": row.id,
        "name": row.name or "",
        "type": row.type,
        "enabled": row.enabled,
    }
    if row.description is not None:
        service["description"] = row.description
    return service


def find(identity: Identity, *, name: str | None, type_: str | None) -> list[Service]:
    """Sorted by id."""
    query = sa.select(services).order_by(services.c.id)
    if name is not None:
        query = query.where(services.c.name == name)
    if type_ is not None:
        query = query.where(services.c.type == type_)
    with identity.db.read() as connection:
        return [_service(row) for row in connection.execute(query)]


def show(identity: Identity, service_id: str) -> Service:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, service_id)


def load(connection: Connection, service_id: str, *, lock: bool = False) -> Service:
    """With `lock` the service stays until the transaction ends. Raises NotFound."""
    row = connection.execute(_BY_ID.with_for_update(read=True) if lock else _BY_ID, {"service_id": service_id}).first()
    if row is None:
        raise not_found("service", service_id)
    return _service(row)


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Service:
    row = {"name": "", **values, "id": hex_id(), "extra": msgspec.json.encode(extra).decode()}
    with identity.db.write() as connection:
        connection.execute(sa.insert(services).values(**row))
        generations.bump(connection)
        return load(connection, row["id"])


def update(identity: Identity, service_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Service:
    """Raises NotFound."""
    with identity.db.write() as connection:
        service = load(connection, service_id)
        kept = {key: value for key, value in service.items() if key not in services.c} | extra
        stored = {**values, "extra": msgspec.json.encode(kept).decode()}
        connection.execute(sa.update(services).where(services.c.id == service_id).values(**stored))
        generations.bump(connection)
        return load(connection, service_id)


def delete(identity: Identity, service_id: str) -> None:
    """Also ends its endpoints, limits and policy associations. Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, service_id)
        policy_associations.purge(connection, service_id=service_id)
        registered_limits.purge(connection, service_id=service_id)
        connection.execute(sa.delete(services).where(services.c.id == service_id))
        generations.bump(connection)
