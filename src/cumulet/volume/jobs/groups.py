"""Groups and their snapshots: they follow what becomes of the volumes and snapshots in them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.jobs import GiveUp, Job, JobRegistry, Retry
from cumulet.volume.domain import group_snapshots, groups, pools
from cumulet.volume.jobs import backend
from cumulet.volume.scheduling import choice
from cumulet.volume.service import Volume
from cumulet.volume.tables import group_snapshots as snapshot_table
from cumulet.volume.tables import groups as table

_LOOK_S = 0.2
_MAKING = ("creating", "downloading")


def register(registry: JobRegistry) -> None:
    registry.register(groups.CREATE, create, on_failure=create_failed, backoff=backend.BACKOFF)
    registry.register(groups.DELETE, delete, on_failure=delete_failed, backoff=backend.BACKOFF)
    registry.register(group_snapshots.CREATE, snapshot, on_failure=snapshot_failed, backoff=backend.BACKOFF)
    failed = delete_snapshot_failed
    registry.register(group_snapshots.DELETE, delete_snapshot, on_failure=failed, backoff=backend.BACKOFF)


def create(job: Job, volume: Volume) -> None:
    """A back end for it; and, where it is made of another, all its volumes."""
    with volume.db.read() as connection:
        row = groups.load_any(connection, job.subject)
        inside = [] if row is None else groups.members(connection, job.subject)
        found = pools.load_all(volume, connection)
    if row is None or row.status != "creating":
        return
    if any(one.status in _MAKING for one in inside):
        raise Retry(_LOOK_S, "The volumes of the group are being made.")
    if any(one.status != "available" for one in inside):
        raise GiveUp("A volume of the group could not be made.")
    host = row.host
    if host is None:
        wish = choice.Wish(size_gb=0, zone=row.availability_zone)
        try:
            chosen = choice.choose(volume, found, wish)[0]
        except choice.NoneLeft as error:
            raise GiveUp(f"No valid backend was found. ({error})") from None
        host = chosen.name
    with volume.db.write() as connection:
        groups.change(connection, row.id, volume.now(), status="available", host=host)
        job.complete(connection)


def create_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _failed(volume, connection, job.subject, "creating", "error")


def _failed(volume: Volume, connection: Connection, group_id: str, during: str, status: str) -> None:
    row = groups.load_any(connection, group_id, lock=True)
    if row is not None and row.status == during:
        groups.change(connection, group_id, volume.now(), status=status)


def delete(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = groups.load_any(connection, job.subject)
        inside = [] if row is None else groups.members(connection, job.subject)
    if row is None or row.status != "deleting":
        return
    if any(one.status == "error_deleting" for one in inside):
        raise GiveUp("A volume of the group could not be deleted.")
    if inside:
        raise Retry(_LOOK_S, "The volumes of the group are being deleted.")
    with volume.db.write() as connection:
        connection.execute(sa.delete(table).where(table.c.id == row.id, table.c.status == "deleting"))
        job.complete(connection)


def delete_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _failed(volume, connection, job.subject, "deleting", "error_deleting")


def snapshot(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = group_snapshots.load_any(connection, job.subject)
        inside = [] if row is None else group_snapshots.members(connection, job.subject)
    if row is None or row.status != "creating":
        return
    if any(one.status == "creating" for one in inside):
        raise Retry(_LOOK_S, "The snapshots of the group are being made.")
    if any(one.status != "available" for one in inside):
        raise GiveUp("A snapshot of the group could not be made.")
    with volume.db.write() as connection:
        group_snapshots.change(connection, row.id, volume.now(), status="available")
        job.complete(connection)


def snapshot_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _snapshot_failed(volume, connection, job.subject, "creating", "error")


def _snapshot_failed(volume: Volume, connection: Connection, snapshot_id: str, during: str, status: str) -> None:
    row = group_snapshots.load_any(connection, snapshot_id, lock=True)
    if row is not None and row.status == during:
        group_snapshots.change(connection, snapshot_id, volume.now(), status=status)


def delete_snapshot(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = group_snapshots.load_any(connection, job.subject)
        inside = [] if row is None else group_snapshots.members(connection, job.subject)
    if row is None or row.status != "deleting":
        return
    if any(one.status == "error_deleting" for one in inside):
        raise GiveUp("A snapshot of the group could not be deleted.")
    if inside:
        raise Retry(_LOOK_S, "The snapshots of the group are being deleted.")
    with volume.db.write() as connection:
        gone = sa.and_(snapshot_table.c.id == row.id, snapshot_table.c.status == "deleting")
        connection.execute(sa.delete(snapshot_table).where(gone))
        job.complete(connection)


def delete_snapshot_failed(job: Job, volume: Volume, connection: Connection, reason: str) -> None:
    _snapshot_failed(volume, connection, job.subject, "deleting", "error_deleting")
