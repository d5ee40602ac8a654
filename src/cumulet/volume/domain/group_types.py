"""Group types and their specs (Block Storage API, Group types)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.upsert import insert_if_absent
from cumulet.volume.domain import listing
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import group_types, groups

CGSNAPSHOT: Final = "default_cgsnapshot_type"
CONSISTENT: Final = "consistent_group_snapshot_enabled"
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: group_types.c[key] for key in ("id", "name", "created_at", "updated_at", "is_public")
}


def ensure_default(volume: Volume) -> None:
    """The type that old consistency groups have."""
    row = {
        "id": uuid_id(),
        "name": CGSNAPSHOT,
        "description": "Default group type for migrating cgsnapshot",
        "is_public": True,
        "group_specs": _encode({CONSISTENT: "<is> True"}),
        "created_at": volume.now(),
    }
    with volume.db.write() as connection:
        if connection.execute(sa.select(group_types.c.id).where(group_types.c.name == CGSNAPSHOT)).first() is None:
            insert_if_absent(connection, group_types, row)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def specs_of(row: Row[Any]) -> dict[str, str | None]:
    return msgspec.json.decode(row.group_specs, type=dict[str, str | None])


def load(connection: Connection, type_id: str, ctx: Context | None = None, *, lock: bool = False) -> Row[Any]:
    """Raises the 404, also for a private one that the caller may not see."""
    query = sa.select(group_types).where(group_types.c.id == type_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None or (ctx is not None and not row.is_public and not ctx.is_admin):
        raise not_found("Group type", type_id)
    return row


def by_id_or_name(connection: Connection, wanted: str, ctx: Context) -> Row[Any]:
    query = sa.select(group_types).where(sa.or_(group_types.c.id == wanted, group_types.c.name == wanted))
    rows = sorted(connection.execute(query), key=lambda row: row.id != wanted)
    if not rows or (not rows[0].is_public and not ctx.is_admin):
        raise NotFound(f"Group type with name {wanted} could not be found.")
    return rows[0]


def default(volume: Volume, connection: Connection) -> Row[Any]:
    """`default_group_type` of cinder.conf."""
    name = volume.conf.default_group_type
    query = sa.select(group_types).where(group_types.c.name == name)
    row = connection.execute(query).first() if name else None
    if row is None:
        raise NotFound("Default group type can not be found.")
    return row


def find(connection: Connection, ctx: Context, wanted: Wanted, *, public: bool | None) -> list[Row[Any]]:
    where: list[Condition] = []
    if not ctx.is_admin:
        where.append(group_types.c.is_public.is_(True))
    elif public is not None:
        where.append(group_types.c.is_public.is_(public))
    return listing.page(
        connection, group_types, where, wanted, sorts=SORTS, unknown_marker=partial(not_found, "Group type")
    )


def create(volume: Volume, values: dict[str, Any]) -> Row[Any]:
    """Raises Conflict for a name that is taken."""
    specs = values.pop("group_specs", {})
    row = {"id": uuid_id(), "created_at": volume.now(), "group_specs": _encode(specs), **values}
    with volume.db.write() as connection:
        try:
            connection.execute(sa.insert(group_types).values(**row))
        except IntegrityError:
            raise Conflict(f"Group Type {values['name']} already exists.") from None
        return load(connection, row["id"])


def update(volume: Volume, type_id: str, values: dict[str, Any]) -> Row[Any]:
    with volume.db.write() as connection:
        load(connection, type_id, lock=True)
        try:
            changed = sa.update(group_types).where(group_types.c.id == type_id)
            connection.execute(changed.values(updated_at=volume.now(), **values))
        except IntegrityError:
            raise Conflict(f"Group Type {values.get('name')} already exists.") from None
        return load(connection, type_id)


def delete(volume: Volume, type_id: str) -> None:
    """Raises BadRequest while groups are of it."""
    with volume.db.write() as connection:
        load(connection, type_id, lock=True)
        if connection.execute(sa.select(groups.c.id).where(groups.c.group_type_id == type_id)).first() is not None:
            raise BadRequest("Target group type is still in use.")
        connection.execute(sa.delete(group_types).where(group_types.c.id == type_id))


def edit_specs(
    volume: Volume, type_id: str, values: dict[str, str | None], *, remove: str | None = None
) -> dict[str, str | None]:
    """Add or replace some, or remove one. Raises NotFound for one that is not there."""
    with volume.db.write() as connection:
        found = specs_of(load(connection, type_id, lock=True))
        if remove is not None and remove not in found:
            raise NotFound(f"Group Type {type_id} has no specs with key {remove}.")
        found = {key: value for key, value in (found | values).items() if key != remove}
        changed = {"group_specs": _encode(found), "updated_at": volume.now()}
        connection.execute(sa.update(group_types).where(group_types.c.id == type_id).values(**changed))
        return found
