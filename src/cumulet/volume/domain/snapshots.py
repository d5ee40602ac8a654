"""Snapshots as rows: finding, changing, their metadata."""

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
from cumulet.volume.domain import listing, quotas, volumes
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.domain.moments import between
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs, snapshot_metadata, snapshots
from cumulet.volume.tables import volumes as volume_table

CREATE: Final = "snapshot.create"
DELETE: Final = "snapshot.delete"
DEADLINE_S: Final = 6 * 3600.0
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: snapshots.c[column]
    for key, column in {
        "id": "id",
        "name": "name",
        "display_name": "name",
        "status": "status",
        "volume_id": "volume_id",
        "volume_size": "volume_size",
        "created_at": "created_at",
        "updated_at": "updated_at",
        "project_id": "project_id",
        "user_id": "user_id",
    }.items()
}
FILTERS: Final = frozenset(
    (
        "id",
        "name",
        "display_name",
        "status",
        "volume_id",
        "volume_size",
        "project_id",
        "user_id",
        "metadata",
        "availability_zone",
        "created_at",
        "updated_at",
        "consumes_quota",
        "group_snapshot_id",
        "all_tenants",
        "tenant_id",
        "description",
    )
)
Metadata = dict[str, str]


def load_any(connection: Connection, snapshot_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = sa.select(snapshots).where(snapshots.c.id == snapshot_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def load(connection: Connection, snapshot_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, snapshot_id, lock=lock)
    if row is None:
        raise not_found("Snapshot", snapshot_id)
    return row


def change(connection: Connection, snapshot_id: str, now: int, **values: Any) -> None:
    if "status" in values:
        values["generation"] = snapshots.c.generation + 1
    connection.execute(sa.update(snapshots).where(snapshots.c.id == snapshot_id).values(updated_at=now, **values))


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Condition]:
    """Raises BadRequest."""
    found: list[Condition] = [] if everyone else [snapshots.c.project_id == ctx.project_id]
    if wanted.nothing:
        return [sa.false()]
    for key, value in wanted.filters.items():
        found.append(_condition(key.removesuffix("~"), value, like=key.endswith("~")))
    return found


def _condition(key: str, value: Any, *, like: bool) -> Condition:
    if key == "metadata":
        return _has_metadata(value)
    if key == "consumes_quota":
        wanted = str(value).strip().lower() in ("true", "1", "t", "yes", "on", "y")
        return snapshots.c.consumes_quota if wanted else sa.not_(snapshots.c.consumes_quota)
    if key in ("created_at", "updated_at"):
        return between(snapshots.c[key], str(value))
    if key == "availability_zone":
        there = sa.select(volume_table.c.id).where(listing.equals(volume_table.c.availability_zone, value))
        return snapshots.c.volume_id.in_(there)
    column = snapshots.c[{"display_name": "name", "tenant_id": "project_id"}.get(key, key)]
    if key == "volume_size":
        return column == int(value) if str(value).isdigit() and len(str(value)) < 10 else sa.false()
    return listing.like(column, value) if like else listing.equals(column, value)


def _has_metadata(value: Any) -> Condition:
    if not isinstance(value, dict):
        return sa.false()
    pairs = []
    for name, text in list(value.items())[:128]:
        mine = sa.select(snapshot_metadata.c.snapshot_id).where(
            snapshot_metadata.c.key == str(name), snapshot_metadata.c.value == str(text)
        )
        pairs.append(snapshots.c.id.in_(mine))
    return sa.and_(sa.true(), *pairs)


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    """A page. Raises the 404 for an unknown marker."""
    return listing.page(
        connection,
        snapshots,
        where,
        wanted,
        sorts=SORTS,
        unknown_marker=lambda marker: not_found("Snapshot", marker),
    )


def create(volume: Volume, ctx: Context, volume_id: str, values: dict[str, Any], *, in_use: bool) -> Row[Any]:
    """The snapshot, `creating`. `in_use`: also of a volume that is attached. Raises BadRequest, OverLimit."""
    with volume.db.write() as connection:
        source = volumes.load(connection, volume_id, lock=True)
        allowed = ("available", "in-use") if in_use else ("available",)
        if source.status not in allowed:
            raise BadRequest(
                f"Invalid volume: Volume {volume_id} status must be {' or '.join(allowed)}, "
                f"but current status is: {source.status}."
            )
        if source.migration_status not in (None, "error", "success", "none"):
            raise BadRequest(f"Invalid volume: Volume {volume_id} is being migrated.")
        row = enter(volume, connection, ctx, source, values)
        enqueue(
            connection, jobs, CREATE, {}, subject=row.id, deadline_s=DEADLINE_S, max_attempts=volumes.ATTEMPTS, ctx=ctx
        )
    volume.wake()
    return row


def enter(volume: Volume, connection: Connection, ctx: Context, source: Row[Any], values: dict[str, Any]) -> Row[Any]:
    """A snapshot's row, `creating`, within the quota. The caller has locked the volume and writes the job."""
    type_row = volumes.type_of(connection, source)
    more = {"snapshots": 1}
    if not volume.conf.no_snapshot_gb_quota:
        more["gigabytes"] = source.size
    if type_row is not None:
        more |= {f"{resource}_{type_row.name}": amount for resource, amount in more.items()}
    quotas.require(volume, connection, source.project_id, more)
    metadata = values.pop("metadata", None) or {}
    row = {
        "id": uuid_id(),
        "volume_id": source.id,
        "project_id": source.project_id,
        "user_id": ctx.user_id,
        "status": "creating",
        "progress": "0%",
        "volume_size": source.size,
        "volume_type_id": source.volume_type_id,
        "encryption_key_id": source.encryption_key_id,
        "metadata": volumes.encode(metadata),
        "created_at": volume.now(),
        **values,
    }
    connection.execute(sa.insert(snapshots).values(**row))
    _enter_metadata(connection, row["id"], metadata)
    return load(connection, row["id"])


def delete(volume: Volume, ctx: Context, snapshot_id: str, *, force: bool = False) -> None:
    """The snapshot, `deleting`. Raises BadRequest in a status that does not allow it."""
    with volume.db.write() as connection:
        row = load(connection, snapshot_id, lock=True)
        begin_delete(volume, connection, ctx, row, force=force)
    volume.wake()


def begin_delete(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], *, force: bool = False) -> None:
    """In the caller's transaction, which has locked the row."""
    if row.status == "deleting" and not force:
        raise BadRequest("Invalid snapshot: Snapshot status must be available or error.")
    if not force and (row.status not in ("available", "error", "error_deleting") or row.group_snapshot_id is not None):
        raise BadRequest("Invalid snapshot: Snapshot status must be available or error, and it must be in no group.")
    change(connection, row.id, volume.now(), status="deleting")
    enqueue(
        connection,
        jobs,
        DELETE,
        {},
        subject=row.id,
        deadline_s=DEADLINE_S,
        key=row.id,
        max_attempts=volumes.ATTEMPTS,
        ctx=ctx,
    )


def update(volume: Volume, snapshot_id: str, values: dict[str, Any]) -> Row[Any]:
    with volume.db.write() as connection:
        load(connection, snapshot_id, lock=True)
        if values:
            change(connection, snapshot_id, volume.now(), **values)
        return load(connection, snapshot_id)


def metadata_of(row: Row[Any]) -> Metadata:
    return msgspec.json.decode(row.metadata, type=dict[str, str])


def _enter_metadata(connection: Connection, snapshot_id: str, values: Metadata) -> None:
    rows = [{"snapshot_id": snapshot_id, "key": key, "value": value} for key, value in values.items()]
    if rows:
        connection.execute(sa.insert(snapshot_metadata), rows)


def edit_metadata(
    volume: Volume, snapshot_id: str, values: Metadata, *, replace: bool = False, remove: str | None = None
) -> Metadata:
    """Add or replace some, replace all, or remove one. Raises NotFound for a key that is not there."""
    with volume.db.write() as connection:
        row = load(connection, snapshot_id, lock=True)
        found = {} if replace else metadata_of(row)
        if remove is not None and remove not in found:
            raise NotFound(f"Snapshot {snapshot_id} has no metadata with key {remove}.")
        found = {key: value for key, value in (found | values).items() if key != remove}
        connection.execute(sa.delete(snapshot_metadata).where(snapshot_metadata.c.snapshot_id == snapshot_id))
        _enter_metadata(connection, snapshot_id, found)
        change(connection, snapshot_id, volume.now(), metadata=volumes.encode(found))
        return found
