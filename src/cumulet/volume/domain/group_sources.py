"""A group made of another one, or of a group snapshot: each of its volumes of one of the source's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import group_snapshots, groups, volume_create, volumes
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs, volume_types
from cumulet.volume.tables import volumes as volume_table


def create(
    volume: Volume,
    ctx: Context,
    values: dict[str, Any],
    *,
    source_group_id: str | None,
    group_snapshot_id: str | None,
) -> Row[Any]:
    """The group and its volumes, `creating`. Raises NotFound, BadRequest, OverLimit."""
    with volume.db.write() as connection:
        if group_snapshot_id is not None:
            snapshot = group_snapshots.load(connection, group_snapshot_id, lock=True)
            _own(ctx, snapshot, "GroupSnapshot")
            if snapshot.status != "available":
                raise BadRequest(f"Invalid group snapshot: its status is {snapshot.status}.")
            group = groups.load(connection, snapshot.group_id, lock=True)
            inside = group_snapshots.members(connection, group_snapshot_id, lock=True)
            origins = _volumes(connection, [one.volume_id for one in inside])
            pairs = [(origins[one.volume_id], {"snapshot_id": one.id}) for one in inside if one.volume_id in origins]
        else:
            group = groups.load(connection, source_group_id or "", lock=True)
            _own(ctx, group, "Group")
            if group.status != "available":
                raise BadRequest(f"Invalid group: Source group status is {group.status}.")
            pairs = [(one, {"source_volid": one.id}) for one in groups.members(connection, group.id, lock=True)]
        if not pairs:
            raise BadRequest("Invalid group: Source group is empty. No group will be created.")
        source = {"group_snapshot_id": group_snapshot_id, "source_group_id": source_group_id}
        more = {"group_type_id": group.group_type_id, "availability_zone": group.availability_zone, **source}
        row = groups.enter(volume, connection, ctx, {**values, **more, "host": group.host}, groups.types_of(group))
        _enter_volumes(volume, connection, ctx, row, pairs)
    volume.wake()
    return row


def _own(ctx: Context, row: Row[Any], noun: str) -> None:
    if row.project_id != ctx.project_id and not ctx.is_admin:
        raise not_found(noun, row.id)


def _volumes(connection: Connection, ids: list[str]) -> dict[str, Row[Any]]:
    return {row.id: row for row in connection.execute(sa.select(volume_table).where(volume_table.c.id.in_(ids)))}


def _enter_volumes(
    volume: Volume, connection: Connection, ctx: Context, group: Row[Any], pairs: list[tuple[Row[Any], dict[str, str]]]
) -> None:
    kinds = {row.id: row for row in connection.execute(sa.select(volume_types))}
    for origin, source in pairs:
        values = {
            "size": origin.size,
            "name": origin.name,
            "description": origin.description,
            "availability_zone": origin.availability_zone,
            "bootable": origin.bootable,
            "group_id": group.id,
            **source,
        }
        image = volumes.metadata_of(origin, "image")
        kind = kinds[origin.volume_type_id]
        made = volume_create.enter(volume, connection, ctx, values, kind, image_metadata=image)
        payload = {"host": origin.host}
        enqueue(connection, jobs, volumes.CREATE, payload, subject=made, deadline_s=groups.DEADLINE_S, ctx=ctx)
