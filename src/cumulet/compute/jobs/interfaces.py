"""Plugging ports into guests and out of them, and following what Network says of their addresses."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import addresses, network
from cumulet.compute.domain import interfaces, servers
from cumulet.compute.jobs import ending, guests, turns
from cumulet.compute.jobs.work import reach
from cumulet.compute.service import Compute
from cumulet.kernel.bus import RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry, Retry

_PLUG, _UNPLUG = "compute_attach_interface", "compute_detach_interface"
_CALL_S = 60.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(interfaces.ATTACH, attach, on_failure=not_attached, backoff=backoff)
    registry.register(interfaces.DETACH, detach, on_failure=not_detached, backoff=backoff)
    registry.register(interfaces.REFRESH, refresh, backoff=backoff)


def _wanted(job: Job, compute: Compute) -> Row[Any] | None:
    """The server, None when it is deleted or about to be: that takes all its ports back."""
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
    return None if row is None or row.deleted or row.task_state == "deleting" else row


def _tell(job: Job, compute: Compute, host: str, method: str, args: dict[str, Any]) -> None:
    reach(job, compute, host, method, args, _CALL_S, f"{job.id}-{method}-{job.attempts}")


# -- in ------------------------------------------------------------------------------------------------------------


def attach(job: Job, compute: Compute) -> None:
    row = _wanted(job, compute)
    port_id = job.payload["port"]
    if row is None or interfaces.vif_of(row, port_id) is None:
        return
    turns.await_turn(job, compute, turns.BOTH)
    port = network.port(compute.session, port_id)
    if port is None:
        raise GiveUp(f"Port {port_id} could not be found.")
    if port["device_id"] not in ("", row.id):
        raise GiveUp(f"Port {port_id} is still in use.")
    owner = f"{network.OWNER}{row.availability_zone or ''}"
    network.update_port(
        compute.session, port_id, {"device_id": row.id, "device_owner": owner, "binding:host_id": row.host}
    )
    row = _wanted(job, compute)
    vif = None if row is None else interfaces.vif_of(row, port_id)
    if row is None or vif is None:
        return
    try:
        _tell(job, compute, row.host, "attach_interface", {"server_id": row.id, "vif": guests.vif_of(vif)})
    except RemoteError as error:
        raise GiveUp(f"Host {row.host} could not plug port {port_id} in: {error}") from None
    _store(job, compute, row.id, _PLUG)


def not_attached(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The port is unplugged again if it was, and given back."""
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or row.deleted:
        return
    ending.enter_event(compute, connection, job, _PLUG, row.host, reason)
    if row.task_state != "deleting":
        interfaces.enqueue_detach(connection, row.id, job.payload["port"])


# -- out -----------------------------------------------------------------------------------------------------------


def detach(job: Job, compute: Compute) -> None:
    row = _wanted(job, compute)
    if row is None:
        return
    turns.await_turn(job, compute, turns.BOTH)
    port_id = job.payload["port"]
    vif = interfaces.vif_of(row, port_id)
    if vif is not None and row.host is not None:
        try:
            _tell(job, compute, row.host, "detach_interface", {"server_id": row.id, "port_id": port_id})
        except RemoteError as error:
            raise GiveUp(f"Host {row.host} could not unplug port {port_id}: {error}") from None
    port = network.port(compute.session, port_id)
    if port is not None and port["device_id"] == row.id:
        if vif is not None and vif["preserve"]:
            network.release_port(compute.session, port_id)
        else:
            network.delete_port(compute.session, port_id)
    with compute.db.write() as connection:
        now = servers.load_any(connection, row.id, lock=True)
        if now is not None and not now.deleted:
            interfaces.edit(compute, connection, now, lambda vifs: [one for one in vifs if one["id"] != port_id])
            interfaces.enqueue_refresh(connection, row.id)
            ending.enter_event(compute, connection, job, _UNPLUG, row.host)
        job.complete(connection)


def not_detached(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The server keeps it; its history has the reason."""
    row = servers.load_any(connection, job.subject)
    ending.enter_event(compute, connection, job, _UNPLUG, None if row is None else row.host, reason)


# -- addresses -----------------------------------------------------------------------------------------------------


def refresh(job: Job, compute: Compute) -> None:
    row = _wanted(job, compute)
    if row is None:
        return
    if row.vm_state == "building":
        raise Retry(1.0, "The server is being built with its ports.")
    _store(job, compute, row.id, None)


def _store(job: Job, compute: Compute, server_id: str, event: str | None) -> None:
    """What Network says now, and the end of the job."""
    vifs, groups = addresses.current(compute.session, server_id)
    with compute.db.write() as connection:
        now = servers.load_any(connection, server_id, lock=True)
        if now is not None and not now.deleted:
            interfaces.store(compute, connection, now, vifs, groups)
            if event is not None:
                ending.enter_event(compute, connection, job, event, now.host)
        job.complete(connection)
