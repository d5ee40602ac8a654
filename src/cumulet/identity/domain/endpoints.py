"""Endpoints: the URL of one interface of a service in one region."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.identity.domain import generations, policy_associations, services, url_templates
from cumulet.identity.errors import expected, not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import endpoints, regions
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.ids import hex_id

Endpoint = dict[str, Any]
"""{"id", "interface", "service_id", "region_id", "region", "url", "enabled", and what else the client had given}"""

_BY_ID = sa.select(endpoints).where(endpoints.c.id == sa.bindparam("endpoint_id"))


def endpoint_of(row: Any) -> Endpoint:
    return {
        **msgspec.json.decode(row.extra),
        "id": row.id,
        "interface": row.interface,
        "region_id": row.region_id,
        "region": row.region_id,
        "service_id": row.service_id,
        "url": row.url,
        "enabled": row.enabled,
    }


def find(identity: Identity, **equal: str | None) -> list[Endpoint]:
    """Those with the given `interface`, `service_id` and `region_id` (None: any), sorted by id."""
    query = sa.select(endpoints).order_by(endpoints.c.id)
    query = query.where(*(endpoints.c[name] == value for name, value in equal.items() if value is not None))
    with identity.db.read() as connection:
        return [endpoint_of(row) for row in connection.execute(query)]


def show(identity: Identity, endpoint_id: str) -> Endpoint:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, endpoint_id)


def load(connection: Connection, endpoint_id: str, *, lock: bool = False) -> Endpoint:
    """With `lock` the endpoint stays until the transaction ends. Raises NotFound."""
    query = _BY_ID.with_for_update(read=True) if lock else _BY_ID
    row = connection.execute(query, {"endpoint_id": endpoint_id}).first()
    if row is None:
        raise not_found("endpoint", endpoint_id)
    return endpoint_of(row)


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Endpoint:
    """Raises BadRequest for an unknown service or region, or a URL that cannot be filled in."""
    endpoint_id = hex_id()
    with identity.db.write() as connection:
        row, more = _stored(connection, values, extra)
        row["extra"] = msgspec.json.encode(more).decode()
        connection.execute(sa.insert(endpoints).values(**row, id=endpoint_id))
        generations.bump(connection)
        return load(connection, endpoint_id)


def update(identity: Identity, endpoint_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Endpoint:
    """Raises NotFound, and BadRequest as `create` does."""
    with identity.db.write() as connection:
        endpoint = load(connection, endpoint_id)
        row, more = _stored(connection, values, extra)
        known = {*endpoints.c.keys(), "region"}
        kept = {key: value for key, value in endpoint.items() if key not in known} | more
        row["extra"] = msgspec.json.encode(kept).decode()
        connection.execute(sa.update(endpoints).where(endpoints.c.id == endpoint_id).values(**row))
        generations.bump(connection)
        return load(connection, endpoint_id)


def _stored(
    connection: Connection, values: dict[str, Any], extra: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(columns, what goes into `extra`); name and description have no columns of their own."""
    row = {key: value for key, value in values.items() if key in endpoints.c}
    more = {key: value for key, value in values.items() if key in ("name", "description")} | extra
    if "url" in row:
        _check_url(row["url"])
    if "service_id" in row:
        try:
            services.load(connection, row["service_id"], lock=True)
        except NotFound:
            raise expected("endpoint service_id", "service table") from None
    if values.get("region") is not None:
        row["region_id"] = values["region"]
        _ensure_region(connection, values["region"])
    elif row.get("region_id") is not None and not _region_exists(connection, row["region_id"]):
        raise expected("endpoint region_id", "region table")
    return row, more


def _check_url(url: str) -> None:
    try:
        url_templates.parse(url)
    except ValueError:
        raise BadRequest(f"Cannot create an endpoint with an invalid URL: {url}.") from None


def _region_exists(connection: Connection, region_id: str) -> bool:
    query = sa.select(regions.c.id).where(regions.c.id == region_id).with_for_update(read=True)
    return connection.execute(query).first() is not None


def _ensure_region(connection: Connection, region_id: str) -> None:
    if not _region_exists(connection, region_id):
        row = {"id": region_id, "parent_region_id": None, "description": "", "extra": "{}"}
        connection.execute(sa.insert(regions).values(**row))


def delete(identity: Identity, endpoint_id: str) -> None:
    """Also takes it from projects and policies. Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, endpoint_id)
        policy_associations.purge(connection, endpoint_id=endpoint_id)
        connection.execute(sa.delete(endpoints).where(endpoints.c.id == endpoint_id))
        generations.bump(connection)
