"""Deleting a server, and taking back what a failed boot did: guest, ports, allocations, in this order."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import placement
from cumulet.compute.domain import block_devices, console_tokens, moves, servers
from cumulet.compute.jobs import disks, ending, ports
from cumulet.compute.jobs.work import reach
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs, server_group_members, server_tags
from cumulet.kernel.bus import HostUnreachable, RemoteError
from cumulet.kernel.ids import uuid_id
from cumulet.kernel.jobs import DONE, FAILED, Backoff, Job, JobRegistry, Retry, enqueue, jobs_of

log = logging.getLogger(__name__)

_EVENT = "compute_terminate_instance"
_DESTROY_S = 60.0
_AGAIN_S = 1.0
_PATIENCE_US = 3_000_000


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(servers.DELETE, delete, on_failure=failed, backoff=backoff)
    registry.register(servers.CLEAN, clean, backoff=backoff)


def delete(job: Job, compute: Compute) -> None:
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        others = jobs_of(connection, jobs, job.subject)
    if row is None or row.deleted:
        return
    if any(one.id != job.id and one.state not in (DONE, FAILED) for one in others):
        # A boot or an operation sees at its next step that nobody wants it any more.
        waited = compute.now() - job.row.created_at
        if waited > _PATIENCE_US:
            _interrupt(job, compute, row)
        raise Retry(0.2 if waited < _PATIENCE_US else 2.0, "Other work on the server has to end first.")
    _take_back(job, compute, row)
    with compute.db.write() as connection:
        ending.enter_event(compute, connection, job, _EVENT, row.host)
        connection.execute(sa.delete(server_group_members).where(server_group_members.c.server_id == row.id))
        connection.execute(sa.delete(server_tags).where(server_tags.c.server_id == row.id))
        block_devices.delete_all(connection, row.id)
        console_tokens.forget(connection, row.id)
        now = compute.now()
        for move in moves.open_of(connection, row.id):
            moves.change(connection, move.uuid, now, status="confirmed" if move.status == "finished" else "error")
        gone = {"deleted": True, "deleted_at": now, "terminated_at": now, "power_state": 0, "addresses": "[]"}
        servers.change(connection, row.id, now, vm_state="deleted", task_state=None, **gone)
        job.complete(connection)


def _interrupt(job: Job, compute: Compute, row: Row[Any]) -> None:
    """Have hosts end what they are doing to the guest, which may be long: copies, uploads, migrations."""
    with compute.db.read() as connection:
        under_way = moves.open_of(connection, row.id)
    live = [move.source_compute for move in under_way if move.migration_type == moves.LIVE]
    if row.host is not None and row.host not in live:
        _destroy(job, compute, row, row.host)
    for host in live:
        try:
            args = {"server_id": row.id}
            compute.bus.call(host, "compute.abort_live", args, timeout_s=_DESTROY_S, ctx=job.context())
        except RemoteError as error:
            log.info("server %s: its live migration need not be aborted: %s", row.id, error)


def _take_back(job: Job, compute: Compute, row: Row[Any]) -> None:
    """Raises Retry while a host that is there does not answer; one that is down is not waited for."""
    with compute.db.read() as connection:
        under_way = moves.open_of(connection, row.id)
    hosts = [row.host, *(host for move in under_way for host in (move.source_compute, move.dest_compute))]
    for host in dict.fromkeys(host for host in hosts if host is not None):
        _destroy(job, compute, row, host)
    vifs = servers.decode(row.addresses)
    kept = {vif["id"] for vif in vifs if vif["preserve"]} | _requested(compute, job)
    ports.disconnect(compute, job, row, kept)
    disks.disconnect(job, compute, row)
    for consumer in (row.id, *(move.uuid for move in under_way)):
        placement.release(compute.session, consumer)


def _requested(compute: Compute, job: Job) -> set[str]:
    """Ports that the boot was given, which may be bound without being entered yet."""
    with compute.db.read() as connection:
        rows = [one for one in jobs_of(connection, jobs, job.subject) if one.kind == servers.BOOT]
    return {one["port"] for row in rows for one in servers.decode(row.payload)["networks"] if one["port"]}


def _destroy(job: Job, compute: Compute, row: Row[Any], host: str) -> None:
    call_id = f"{job.id}-destroy-{host}-{uuid_id()}"
    try:
        reach(job, compute, host, "destroy", {"server_id": row.id}, _DESTROY_S, call_id)
    except HostUnreachable as error:
        log.info("server %s is deleted without its host, whose agent destroys it when it comes back: %s", row.id, error)
    except RemoteError as error:
        raise Retry(_AGAIN_S, f"Host {host} could not destroy the guest: {error}") from None


def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or row.deleted:
        return
    ending.enter_event(compute, connection, job, _EVENT, row.host, reason)
    ending.error(compute, connection, row.id, f"The server could not be deleted. {reason}")


def enqueue_cleaning(connection: Connection, row: Row[Any], payload: dict[str, Any]) -> None:
    """To be written in the transaction that gives a boot up."""
    wanted = {"networks": payload["networks"]}
    enqueue(connection, jobs, servers.CLEAN, wanted, subject=row.id, key=row.id, deadline_s=3600.0)


def clean(job: Job, compute: Compute) -> None:
    """After a failed boot: the server stays, in ERROR and without a host."""
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
    if row is None or row.deleted or row.vm_state != "error" or row.launched_at is not None:
        return
    _take_back(job, compute, row)
    with compute.db.write() as connection:
        now = servers.load_any(connection, row.id, lock=True)
        if now is not None and now.vm_state == "error" and not now.deleted:
            block_devices.delete_all(connection, row.id)
            values = {"host": None, "node": None, "addresses": "[]", "volumes": "[]"}
            servers.change(connection, row.id, now.updated_at, **values)
        job.complete(connection)
