"""Groups of volumes: made, changed, deleted and snapshotted together (Block Storage API, Generic volume groups)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import group_types, listing, quotas, services, types, volume_delete, volumes
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import group_snapshots, groups, jobs
from cumulet.volume.tables import volumes as volume_table

CREATE: Final = "group.create"
DELETE: Final = "group.delete"
DEADLINE_S: Final = 24 * 3600.0
STATES: Final = (
    "creating",
    "available",
    "deleting",
    "deleted",
    "error",
    "error_deleting",
    "in-use",
    "updating",
)
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: groups.c[key] for key in ("id", "name", "status", "created_at", "updated_at", "group_type_id")
}
FILTERS: Final = frozenset(
    (
        "id",
        "name",
        "status",
        "group_type_id",
        "availability_zone",
        "project_id",
        "host",
        "group_snapshot_id",
        "source_group_id",
        "user_id",
    )
)


def load_any(connection: Connection, group_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = sa.select(groups).where(groups.c.id == group_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def load(connection: Connection, group_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, group_id, lock=lock)
    if row is None:
        raise not_found("Group", group_id)
    return row


def change(connection: Connection, group_id: str, now: int, **values: Any) -> None:
    connection.execute(sa.update(groups).where(groups.c.id == group_id).values(updated_at=now, **values))


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Condition]:
    found: list[Condition] = [] if everyone else [groups.c.project_id == ctx.project_id]
    if wanted.nothing:
        return [sa.false()]
    for key, value in wanted.filters.items():
        name = key.removesuffix("~")
        if name in FILTERS:
            column = groups.c[name]
            found.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    return found


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, groups, where, wanted, sorts=SORTS, unknown_marker=lambda marker: not_found("Group", marker)
    )


def members(connection: Connection, group_id: str, *, lock: bool = False) -> list[Row[Any]]:
    query = sa.select(volume_table).where(volume_table.c.group_id == group_id)
    query = query.order_by(volume_table.c.created_at, volume_table.c.id)
    return list(connection.execute(query.with_for_update() if lock else query))


def members_of(connection: Connection, ids: list[str]) -> dict[str, list[str]]:
    """group -> its volumes' ids, for a list of groups."""
    query = sa.select(volume_table.c.group_id, volume_table.c.id).where(volume_table.c.group_id.in_(ids))
    found: dict[str, list[str]] = {}
    for group_id, volume_id in connection.execute(query.order_by(volume_table.c.created_at)):
        found.setdefault(group_id, []).append(volume_id)
    return found


def types_of(row: Row[Any]) -> list[str]:
    return msgspec.json.decode(row.volume_types, type=list[str])


def create(volume: Volume, ctx: Context, values: dict[str, Any], group_type: str, volume_types: list[str]) -> Row[Any]:
    """The group, `creating`. values: name, description, availability_zone. Raises NotFound, BadRequest, OverLimit."""
    with volume.db.write() as connection:
        type_row = group_types.by_id_or_name(connection, group_type, ctx)
        zone = values.get("availability_zone")
        if zone is not None and zone not in services.zones(volume, connection):
            raise BadRequest(f"Invalid input received: Availability zone '{zone[:255]}' is invalid.")
        wanted = [types.by_id_or_name(connection, name, ctx).id for name in volume_types]
        row = enter(volume, connection, ctx, {**values, "group_type_id": type_row.id}, list(dict.fromkeys(wanted)))
    volume.wake()
    return row


def enter(
    volume: Volume, connection: Connection, ctx: Context, values: dict[str, Any], volume_types: list[str]
) -> Row[Any]:
    """A group's row and its job, within the quota."""
    project_id = ctx.project_id or ""
    quotas.require(volume, connection, project_id, {"groups": 1})
    row = {
        "id": uuid_id(),
        "project_id": project_id,
        "user_id": ctx.user_id,
        "status": "creating",
        "replication_status": "not-capable",
        "volume_types": msgspec.json.encode(volume_types).decode(),
        "created_at": volume.now(),
        **values,
    }
    connection.execute(sa.insert(groups).values(**row))
    enqueue(connection, jobs, CREATE, {}, subject=row["id"], deadline_s=DEADLINE_S, ctx=ctx)
    return load(connection, row["id"])


def for_volume(connection: Connection, ctx: Context, group_id: str, type_id: str) -> Row[Any]:
    """The group that a new volume of this type may join. Raises NotFound, BadRequest."""
    row = load(connection, group_id)
    if row.project_id != ctx.project_id and not ctx.is_admin:
        raise not_found("Group", group_id)
    if row.status not in ("available", "creating"):
        raise BadRequest("Invalid Group: Originating group status must be one of 'available, creating' values")
    if type_id not in types_of(row):
        raise BadRequest(f"Invalid input received: Invalid volume_type in group {group_id}: {type_id} is none of its.")
    return row


def update(volume: Volume, group_id: str, values: dict[str, Any], add: list[str], remove: list[str]) -> Row[Any]:
    """Raises BadRequest, NotFound for volumes that cannot be added or removed."""
    if set(add) & set(remove):
        raise BadRequest("Invalid volume: a volume is in both add-volumes and remove-volumes list.")
    with volume.db.write() as connection:
        row = load(connection, group_id, lock=True)
        if row.status != "available":
            raise BadRequest(f"Invalid group: Group status must be available, but current status is: {row.status}.")
        known = {one.id: one for one in members(connection, group_id, lock=True)}
        now = volume.now()
        for volume_id in remove:
            if volume_id not in known:
                raise BadRequest(
                    f"Invalid volume: Cannot remove volume {volume_id} from group {group_id} because it is not in "
                    "the group."
                )
            volumes.change(connection, volume_id, now, group_id=None)
        for volume_id in add:
            if volume_id not in known:
                _join(connection, row, volume_id, now)
        change(connection, group_id, now, **values)
        return load(connection, group_id)


def _join(connection: Connection, group: Row[Any], volume_id: str, now: int) -> None:
    try:
        row = volumes.load(connection, volume_id, lock=True)
    except NotFound:
        row = None
    refusal = f"Invalid volume: Cannot add volume {volume_id} to group {group.id}"
    if row is None or row.project_id != group.project_id:
        raise BadRequest(f"{refusal} because the volume cannot be found.")
    if row.group_id is not None:
        raise BadRequest(f"{refusal} because it is already in group {row.group_id}.")
    if row.volume_type_id not in types_of(group):
        raise BadRequest(f"{refusal} because its volume type is not supported by the group.")
    if row.status not in ("available", "in-use"):
        raise BadRequest(f"{refusal} because it is in an invalid state: {row.status}.")
    if (row.host or "").partition("#")[0] != (group.host or "").partition("#")[0]:
        raise BadRequest(f"{refusal} because it is on another host.")
    volumes.change(connection, volume_id, now, group_id=group.id)


def delete(volume: Volume, ctx: Context, group_id: str, *, with_volumes: bool) -> None:
    """The group, `deleting`, with its volumes where that is said. Raises BadRequest."""
    with volume.db.write() as connection:
        row = load(connection, group_id, lock=True)
        if row.status == "deleting":
            return
        if row.status not in ("available", "error", "error_deleting"):
            raise BadRequest(
                f"Invalid group: Group status must be available or error, but current status is: {row.status}"
            )
        inside = members(connection, group_id, lock=True)
        if inside and not with_volumes:
            raise BadRequest(
                f"Invalid group: Group {group_id} is not empty. It needs to have the delete-volumes flag to be deleted."
            )
        mine = group_snapshots.c.group_id == group_id
        if connection.execute(sa.select(group_snapshots.c.id).where(mine)).first() is not None:
            raise BadRequest(f"Invalid group: Group {group_id} has dependent group snapshots.")
        for one in inside:
            if one.status == "in-use":
                raise BadRequest(f"Invalid group: Volume {one.id} in the group is attached.")
            volume_delete.begin(volume, connection, ctx, one, force=True, with_group=True)
        change(connection, group_id, volume.now(), status="deleting")
        enqueue(connection, jobs, DELETE, {}, subject=group_id, deadline_s=DEADLINE_S, key=group_id, ctx=ctx)
    volume.wake()


def reset_status(volume: Volume, group_id: str, status: str) -> None:
    with volume.db.write() as connection:
        load(connection, group_id, lock=True)
        change(connection, group_id, volume.now(), status=status)
