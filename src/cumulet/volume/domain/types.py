"""Volume types: what kind of back end a volume asks for, who may use it, and which one is meant when none is named."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.prepared import Prepared
from cumulet.kernel.upsert import insert_if_absent
from cumulet.volume.domain import quotas
from cumulet.volume.domain.listing import Condition
from cumulet.volume.service import Volume
from cumulet.volume.tables import default_types, volume_type_projects, volume_types, volumes

DEFAULT_NAME: Final = "__DEFAULT__"
Values = dict[str, Any]
_DEFAULT_OF: Final = (
    sa.select(volume_types)
    .join(default_types, default_types.c.volume_type_id == volume_types.c.id)
    .where(default_types.c.project_id == sa.bindparam("owner"))
)
_BY_NAME: Final = sa.select(volume_types).where(volume_types.c.name == sa.bindparam("sought"))
_NAMED: Final = sa.select(volume_types.c.id, volume_types.c.name)
_NAMES: Final = Prepared(_NAMED)
_NAME: Final = Prepared(_NAMED.where(volume_types.c.id == sa.bindparam("type_id")))


def ensure_default(volume: Volume) -> None:
    """The type that volumes have without another; also the one that an operator's cinder.conf names is not made."""
    with volume.db.write() as connection:
        if connection.execute(sa.select(volume_types.c.id).limit(1)).first() is None:
            insert_if_absent(
                connection,
                volume_types,
                {
                    "id": uuid_id(),
                    "name": DEFAULT_NAME,
                    "description": "Default Volume Type",
                    "is_public": True,
                    "extra_specs": "{}",
                    "created_at": volume.now(),
                },
            )


def visible(ctx: Context) -> Condition | None:
    """Public ones and those the caller's project was given; administrators see all."""
    if ctx.is_admin:
        return None
    given = sa.select(volume_type_projects.c.volume_type_id).where(volume_type_projects.c.project_id == ctx.project_id)
    return sa.or_(volume_types.c.is_public, volume_types.c.id.in_(given))


def names(connection: Connection) -> dict[str, str]:
    """id -> name of all types; there are few."""
    return dict(_NAMES.all(connection))


def name_of(connection: Connection, type_id: str | None) -> dict[str, str]:
    """As `names`, of one type alone."""
    return dict(_NAME.all(connection, {"type_id": type_id})) if type_id is not None else {}


def load(connection: Connection, type_id: str, ctx: Context | None = None, *, lock: bool = False) -> Row[Any]:
    """Raises the 404, also for one the caller may not see."""
    query = sa.select(volume_types).where(volume_types.c.id == type_id)
    seen = visible(ctx) if ctx is not None else None
    if seen is not None:
        query = query.where(seen)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"Volume type {type_id} could not be found.")
    return row


def by_id_or_name(connection: Connection, wanted: str, ctx: Context) -> Row[Any]:
    """As volumes name their type. Raises the 404 also for a private one of others."""
    query = sa.select(volume_types).where(sa.or_(volume_types.c.id == wanted, volume_types.c.name == wanted))
    seen = visible(ctx)
    if seen is not None:
        query = query.where(seen)
    rows = connection.execute(query).all()
    if not rows:
        raise NotFound(f"Volume type with name {wanted} could not be found.")
    return next((row for row in rows if row.id == wanted), rows[0])


def default(volume: Volume, connection: Connection, project_id: str | None) -> Row[Any]:
    """A project's own default, else the cloud's. Raises BadRequest without one."""
    row = connection.execute(_DEFAULT_OF, {"owner": project_id or ""}).first()
    if row is not None:
        return row
    wanted = volume.conf.default_volume_type or DEFAULT_NAME
    row = connection.execute(_BY_NAME, {"sought": wanted}).first()
    if row is None and wanted != DEFAULT_NAME:
        row = connection.execute(_BY_NAME, {"sought": DEFAULT_NAME}).first()
    if row is None:
        raise BadRequest(f"Default volume type {wanted} could not be found.")
    return row


def extra_specs(row: Row[Any]) -> dict[str, str]:
    return msgspec.json.decode(row.extra_specs, type=dict[str, str])


def is_multiattach(row: Row[Any] | None) -> bool:
    """Whether volumes of a type may be attached to several servers at once."""
    text = "" if row is None else extra_specs(row).get("multiattach", "")
    return text.replace("<is>", "").strip().lower() in ("true", "1", "yes")


def create(volume: Volume, values: Values) -> Row[Any]:
    """Raises Conflict for a name in use."""
    row = {"id": uuid_id(), "created_at": volume.now(), "updated_at": None, **values}
    row["extra_specs"] = _encode(values.get("extra_specs") or {})
    with volume.db.write() as connection:
        if not insert_if_absent(connection, volume_types, row):
            raise Conflict(f"Volume Type {row['name']} already exists.")
        return load(connection, row["id"])


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def update(volume: Volume, type_id: str, values: Values) -> Row[Any]:
    """Raises Conflict for a name in use."""
    with volume.db.write() as connection:
        row = load(connection, type_id, lock=True)
        name = values.get("name", row.name)
        same = sa.select(volume_types.c.id).where(volume_types.c.name == name, volume_types.c.id != type_id)
        if name != row.name and connection.execute(same).first() is not None:
            raise Conflict(f"Volume Type {name} already exists.")
        changed = {**values, "updated_at": volume.now()}
        connection.execute(sa.update(volume_types).where(volume_types.c.id == type_id).values(**changed))
        if name != row.name:
            quotas.rename_type(connection, row.name, name)
        return load(connection, type_id)


def delete(volume: Volume, type_id: str) -> None:
    """Raises BadRequest while volumes have it, and for the type that is meant without another."""
    with volume.db.write() as connection:
        row = load(connection, type_id, lock=True)
        used = sa.select(volumes.c.id).where(volumes.c.volume_type_id == type_id).limit(1)
        if connection.execute(used).first() is not None:
            raise BadRequest("Target volume type is still in use.")
        if row.name == (volume.conf.default_volume_type or DEFAULT_NAME):
            raise Forbidden(f"The volume type {row.name} is the default volume type and cannot be deleted.")
        connection.execute(sa.delete(default_types).where(default_types.c.volume_type_id == type_id))
        connection.execute(sa.delete(volume_type_projects).where(volume_type_projects.c.volume_type_id == type_id))
        connection.execute(sa.delete(volume_types).where(volume_types.c.id == type_id))
        quotas.rename_type(connection, row.name, None)


def projects_of(connection: Connection, type_id: str) -> list[str]:
    query = sa.select(volume_type_projects.c.project_id).where(volume_type_projects.c.volume_type_id == type_id)
    return list(connection.execute(query.order_by(volume_type_projects.c.project_id)).scalars())


def give(volume: Volume, type_id: str, project_id: str) -> None:
    """Let a project use a private type. Raises BadRequest for a public one, Conflict for a second time."""
    with volume.db.write() as connection:
        row = load(connection, type_id, lock=True)
        if row.is_public:
            raise BadRequest("Invalid volume type: Type access modification is not applicable to public volume type.")
        if not insert_if_absent(
            connection, volume_type_projects, {"volume_type_id": type_id, "project_id": project_id}
        ):
            raise Conflict(f"Volume type access for {type_id} / {project_id} combination already exists.")


def take(volume: Volume, type_id: str, project_id: str) -> None:
    """Raises NotFound when the project had no access, BadRequest for a public type."""
    with volume.db.write() as connection:
        row = load(connection, type_id, lock=True)
        if row.is_public:
            raise BadRequest("Invalid volume type: Type access modification is not applicable to public volume type.")
        mine = sa.and_(
            volume_type_projects.c.volume_type_id == type_id, volume_type_projects.c.project_id == project_id
        )
        if connection.execute(sa.delete(volume_type_projects).where(mine)).rowcount == 0:
            raise NotFound(f"Volume type access not found for {type_id} / {project_id} combination.")


def edit_extra_specs(
    volume: Volume, type_id: str, values: dict[str, str], *, remove: str | None = None
) -> dict[str, str]:
    """Add or replace some, or remove one; returns all. Raises NotFound for a key that is not there."""
    with volume.db.write() as connection:
        row = load(connection, type_id, lock=True)
        specs = extra_specs(row) | values
        if remove is not None and specs.pop(remove, None) is None:
            raise NotFound(f"Volume Type {type_id} has no extra specs with key {remove}.")
        mine = volume_types.c.id == type_id
        changed = {"extra_specs": _encode(specs), "updated_at": volume.now()}
        connection.execute(sa.update(volume_types).where(mine).values(**changed))
        return specs
