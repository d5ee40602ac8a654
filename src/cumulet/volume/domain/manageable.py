"""Taking over what a back end has already, and leaving it there (Block Storage API, Manage existing)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.bus import BusError, HostUnreachable
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, NotFound, ServiceUnavailable
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import quotas, services, snapshots, types, volume_create, volumes
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs
from cumulet.volume.tables import snapshots as snapshot_table
from cumulet.volume.tables import volumes as volume_table

MANAGE: Final = "volume.manage"
UNMANAGE: Final = "volume.unmanage"
MANAGE_SNAPSHOT: Final = "snapshot.manage"
UNMANAGE_SNAPSHOT: Final = "snapshot.unmanage"
_DEADLINE_S: Final = 3600.0
_LIST_S: Final = 60.0


class Request(msgspec.Struct, kw_only=True):
    host: str
    reference: dict[str, Any]
    name: str | None = None
    description: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    bootable: bool = False
    metadata: dict[str, str] = {}


def manage(volume: Volume, ctx: Context, request: Request) -> Row[Any]:
    """The volume, `creating`; its size is known when the back end has found it. Raises NotFound, BadRequest."""
    with volume.db.write() as connection:
        try:
            service = _backend(volume, connection, request.host)
        except NotFound:
            raise BadRequest(f"Host '{request.host[:255]}' not found") from None
        if request.volume_type:
            type_row = types.by_id_or_name(connection, request.volume_type, ctx)
        else:
            type_row = types.default(volume, connection, ctx.project_id)
        if type_row.encryption is not None:
            raise BadRequest("Invalid input received: what is there already is not encrypted, so its type must not be.")
        values = {
            "size": 0,
            "name": request.name,
            "description": request.description,
            "availability_zone": request.availability_zone or service.availability_zone,
            "bootable": request.bootable,
            "host": request.host,
            "service_uuid": service.id,
        }
        volume_id = volume_create.enter(volume, connection, ctx, values, type_row, metadata=request.metadata)
        payload = {"reference": request.reference}
        enqueue(connection, jobs, MANAGE, payload, subject=volume_id, deadline_s=_DEADLINE_S, ctx=ctx)
        row = volumes.load(connection, volume_id)
    volume.wake()
    return row


def _backend(volume: Volume, connection: Connection, host: str) -> Row[Any]:
    """Raises NotFound for a back end there is not, ServiceUnavailable for one that is down or disabled."""
    try:
        row = services.load(connection, host.partition("#")[0], "cinder-volume")
    except NotFound:
        raise NotFound(f"Service cinder-volume could not be found on host {host}.") from None
    if row.disabled or not services.is_up(volume, row):
        raise ServiceUnavailable(f"Service is unavailable at this time: {host} is disabled or down.")
    return row


def unmanage(volume: Volume, ctx: Context, volume_id: str) -> None:
    """The volume, `unmanaging`. Raises BadRequest while it is attached, has snapshots or is encrypted."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.encryption_key_id is not None:
            raise BadRequest("Invalid volume: Unmanaging encrypted volumes is not supported.")
        if row.status not in ("available", "error") or row.group_id is not None:
            raise BadRequest(
                "Invalid volume: Volume status must be available or error, and it must be in no group, but current "
                f"status is: {row.status}."
            )
        mine = snapshot_table.c.volume_id == volume_id
        if connection.execute(sa.select(snapshot_table.c.id).where(mine)).first() is not None:
            raise BadRequest(f"Invalid volume: Volume {volume_id} still has dependent snapshots.")
        volumes.change(connection, volume_id, volume.now(), status="unmanaging", previous_status=row.status)
        enqueue(connection, jobs, UNMANAGE, {}, subject=volume_id, deadline_s=_DEADLINE_S, ctx=ctx)
    volume.wake()


def manage_snapshot(
    volume: Volume, ctx: Context, volume_id: str, reference: dict[str, Any], values: dict[str, Any]
) -> Row[Any]:
    """The snapshot, `creating`. values: name, description, metadata."""
    with volume.db.write() as connection:
        source = volumes.load(connection, volume_id, lock=True)
        _backend(volume, connection, source.host or "")
        row = snapshots.enter(volume, connection, ctx, source, values)
        payload = {"reference": reference}
        enqueue(connection, jobs, MANAGE_SNAPSHOT, payload, subject=row.id, deadline_s=_DEADLINE_S, ctx=ctx)
    volume.wake()
    return row


def unmanage_snapshot(volume: Volume, ctx: Context, snapshot_id: str) -> None:
    """The snapshot, `unmanaging`: it stays on the back end, and this cloud forgets it."""
    with volume.db.write() as connection:
        row = snapshots.load(connection, snapshot_id, lock=True)
        if row.status not in ("available", "error") or row.group_snapshot_id is not None:
            raise BadRequest("Invalid snapshot: Snapshot status must be available or error, and in no group.")
        snapshots.change(connection, snapshot_id, volume.now(), status="unmanaging")
        enqueue(connection, jobs, UNMANAGE_SNAPSHOT, {}, subject=snapshot_id, deadline_s=_DEADLINE_S, ctx=ctx)
    volume.wake()


def offered(volume: Volume, host: str, *, of_snapshots: bool) -> list[dict[str, Any]]:
    """What a back end has, as `agents.volume.protocols.Manageable` says it. Raises NotFound, ServiceUnavailable."""
    with volume.db.read() as connection:
        _backend(volume, connection, host)
        here = sa.or_(volume_table.c.host == host, volume_table.c.host.like(f"{_escaped(host)}#%", escape="\\"))
        query: sa.Select[Any] = sa.select(sa.func.coalesce(volume_table.c.name_id, volume_table.c.id)).where(here)
        if of_snapshots:
            mine = sa.select(volume_table.c.id).where(here)
            query = sa.select(snapshot_table.c.id).where(snapshot_table.c.volume_id.in_(mine))
        known = list(connection.execute(query).scalars())
    name, _, backend = host.partition("#")[0].partition("@")
    method = "volume.manageable_snapshots" if of_snapshots else "volume.manageable"
    try:
        found: list[dict[str, Any]] = volume.bus.call(
            name, method, {"backend": backend, "known": known}, timeout_s=_LIST_S
        )
    except HostUnreachable:
        raise ServiceUnavailable(f"Service is unavailable at this time: {host} cannot be reached.") from None
    except BusError as error:
        raise ServiceUnavailable(f"Service is unavailable at this time: {error}") from None
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def enter_size(volume: Volume, connection: Connection, row: Row[Any], size: int) -> None:
    """The size that the back end found, within the project's quota. Raises OverLimit."""
    type_row = volumes.type_of(connection, row)
    more = {"gigabytes": size}
    if type_row is not None:
        more[f"gigabytes_{type_row.name}"] = size
    quotas.require(volume, connection, row.project_id, more)
    now = volume.now()
    volumes.change(connection, row.id, now, size=size, status="available", launched_at=now)
