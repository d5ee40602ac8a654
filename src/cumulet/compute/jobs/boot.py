"""Booting a server: claim, ports, guest. Every step finds what an interrupted run before it did."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import placement
from cumulet.compute.domain import interfaces, servers
from cumulet.compute.domain.server_states import RUNNING
from cumulet.compute.jobs import delete, disks, ending, guests, ports
from cumulet.compute.jobs.work import reach
from cumulet.compute.scheduling.claim import Claimed, claim
from cumulet.compute.scheduling.hosts import wish_of
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs, server_groups
from cumulet.compute.tables import servers as table
from cumulet.kernel.bus import HostUnreachable, RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry, Retry

_EVENT = "compute__do_build_and_run_instance"
_SPAWN_S = 240.0


def register(registry: JobRegistry) -> None:
    registry.register(servers.BOOT, boot, on_failure=failed, backoff=Backoff(0.2, 5.0))


def boot(job: Job, compute: Compute) -> None:
    row = _wanted(job, compute)
    if row is None:
        return
    was_placed = row.host is not None
    place = _claim(job, compute, row)
    row = _wanted(job, compute)
    if row is None:
        return
    # Ports are made after the host is written down: who has no host yet has none of an interrupted run either.
    vifs, groups = ports.connect(compute, job, row, place.host, place.zone, is_new=not was_placed)
    has_volumes = disks.connect_new(job, compute, row, place.host, job.payload.get("token"))
    row = _spawning(job, compute, row, vifs, groups)
    if row is None:
        return
    guest = guests.describe(compute, row, admin_password=job.payload.get("admin_password"))
    try:
        reach(job, compute, place.host, "spawn", {"guest": guest}, _SPAWN_S, f"{job.id}-spawn")
    except HostUnreachable as error:
        raise GiveUp(str(error)) from None
    except RemoteError as error:
        raise GiveUp(f"Host {place.host} could not build the guest: {error}") from None
    if has_volumes:
        disks.complete(job, compute, row)
        disks.let_go(job, compute, row)  # of a host that an interrupted run had chosen
    _finish(job, compute, row, place)


def _wanted(job: Job, compute: Compute) -> Row[Any] | None:
    """The server, None when nobody wants it built any more: its deletion cleans up."""
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
    if row is None or row.deleted or row.vm_state != "building" or row.task_state == "deleting":
        return None
    return row


def _claim(job: Job, compute: Compute, row: Row[Any]) -> Claimed:
    place = claim(compute, row, job.payload)
    with compute.db.write() as connection:
        job.fence(connection)
        if row.server_group_id is not None:
            # Two servers of a group that chose at the same time: the second one sees the first here.
            group = sa.select(server_groups).where(server_groups.c.id == row.server_group_id).with_for_update()
            connection.execute(group).first()
        clash = row.host is None and _breaks_group(connection, row, place, job.payload)
        if not clash:
            here = {"host": place.host, "node": place.node, "availability_zone": place.zone}
            mine = sa.and_(table.c.id == row.id, table.c.vm_state == "building")
            connection.execute(sa.update(table).where(mine).values(**here, updated_at=compute.now()))
            connection.execute(
                sa.update(table)
                .where(mine, sa.or_(table.c.task_state.is_(None), table.c.task_state != "deleting"))
                .values(task_state="networking")
            )
    if clash:
        placement.release(compute.session, row.id)
        raise Retry(0.1, "Another server of the group took the host.")
    return place


def _breaks_group(connection: Connection, row: Row[Any], place: Claimed, payload: dict[str, Any]) -> bool:
    wish = wish_of(connection, row, payload)
    if wish.policy not in ("affinity", "anti-affinity"):
        return False
    hosts = servers.hosts_of_group(connection, row.server_group_id, row.id)
    if wish.policy == "affinity":
        return bool(hosts) and place.host not in hosts
    return hosts.count(place.host) >= wish.most_per_host


def _spawning(job: Job, compute: Compute, row: Row[Any], vifs: list[ports.Vif], groups: list[str]) -> Row[Any] | None:
    """The server with its addresses and security groups, None when nobody wants it built any more."""
    with compute.db.write() as connection:
        job.fence(connection)
        now = servers.load_any(connection, row.id, lock=True)
        if now is None or now.task_state == "deleting" or now.vm_state != "building":
            return None
        network = {"addresses": servers.encode(vifs), "security_groups": servers.encode(groups)}
        servers.change(connection, row.id, compute.now(), task_state="spawning", **network)
        return servers.load_any(connection, row.id)


def _finish(job: Job, compute: Compute, row: Row[Any], place: Claimed) -> None:
    with compute.db.write() as connection:
        now = servers.load_any(connection, row.id, lock=True)
        if now is not None and now.task_state != "deleting" and now.vm_state == "building":
            servers.change(
                connection,
                row.id,
                compute.now(),
                vm_state="active",
                task_state=None,
                power_state=RUNNING,
                launched_at=compute.now(),
            )
            ending.enter_event(compute, connection, job, _EVENT, place.host)
            if any(one["port"] for one in job.payload["networks"]):
                # A port that was there before has security groups of its own.
                interfaces.enqueue_refresh(connection, row.id)
        _forget_password(connection, job)
        job.complete(connection)


def _forget_password(connection: Connection, job: Job) -> None:
    """A job that is over is kept for a while; what it was told in confidence is not."""
    rest = {name: value for name, value in job.payload.items() if name not in ("admin_password", "token")}
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(payload=servers.encode(rest)))


def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """ERROR with the reason, and a job that takes back what was done so far."""
    _forget_password(connection, job)
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or row.deleted or row.vm_state != "building":
        return
    ending.enter_event(compute, connection, job, _EVENT, row.host, reason)
    if row.task_state == "deleting":
        return
    ending.error(compute, connection, row.id, reason)
    delete.enqueue_cleaning(connection, row, job.payload)
