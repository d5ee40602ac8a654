"""Wanting a volume on another back end."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import pools, volume_swaps, volumes
from cumulet.volume.domain.attaching import invalid
from cumulet.volume.domain.volume_actions import DEADLINE_S
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs, snapshots


def request(volume: Volume, ctx: Context, volume_id: str, host: str, *, lock_volume: bool) -> None:
    """`host` is a pool (HOST@BACKEND#POOL) or a back end with one. Raises BadRequest."""
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        found = [pool for pool in pools.load_all(volume, connection) if host in (pool.name, pool.backend)]
        if not found:
            raise BadRequest(f"Invalid host: No available service named '{host[:255]}'")
        target = found[0]
        if not target.usable:
            raise BadRequest(f"Invalid host: {host[:255]} takes no volumes now.")
        if not _may_move(connection, row, target.name):
            raise invalid(
                f"Volume {volume_id} status must be available or in-use, must not be migrating, have snapshots, be "
                f"replicated, be part of a group and destination host/cluster must be different than the current one"
            )
        if row.status == "in-use":
            volume_swaps.may_swap(connection, row)
        values = {"migration_status": "starting"} | ({"status": "maintenance"} if lock_volume else {})
        volumes.change(connection, volume_id, volume.now(), previous_status=row.status, **values)
        if row.status == "in-use":
            volume_swaps.enqueue_swap(connection, ctx, row, target.name, None)
        else:
            _enqueue_copy(connection, ctx, row, target.name)
    volume.wake()


def _may_move(connection: Connection, row: Row[Any], target: str) -> bool:
    """As in the original, a volume with snapshots stays where these are."""
    return (
        row.status in ("available", "in-use")
        and row.migration_status in (None, "error", "success")
        and target != row.host
        and row.group_id is None
        and not has_snapshots(connection, row.id)
    )


def _enqueue_copy(connection: Connection, ctx: Context, row: Row[Any], target: str) -> None:
    payload = {"target": target, "previous": row.status}
    enqueue(
        connection,
        jobs,
        volumes.MIGRATE,
        payload,
        subject=row.id,
        deadline_s=DEADLINE_S,
        max_attempts=volumes.ATTEMPTS,
        ctx=ctx,
    )


def has_snapshots(connection: Connection, volume_id: str) -> bool:
    mine = sa.select(snapshots.c.id).where(snapshots.c.volume_id == volume_id).limit(1)
    return connection.execute(mine).first() is not None
