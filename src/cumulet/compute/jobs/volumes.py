"""Volumes plugged into servers and out of them, and grown while they run.

An attachment is in the server's row of `block_devices` before Volume hears of it, and leaves it after Volume has ended
it. So whatever is killed in between, what Volume has can be found and ended.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import volume
from cumulet.compute.domain import attachments, block_devices, external_events, servers
from cumulet.compute.jobs import disks, ending, turns
from cumulet.compute.jobs.work import insist, reach
from cumulet.compute.service import Compute
from cumulet.kernel.bus import RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry

_ATTACH, _DETACH = "compute_attach_volume", "compute_detach_volume"
_EXTEND = "compute_extend_volume"
_CALL_S = 120.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(attachments.ATTACH, attach, on_failure=not_attached, backoff=backoff)
    registry.register(attachments.DETACH, detach, on_failure=not_detached, backoff=backoff)
    registry.register(attachments.UNDO, undo, backoff=backoff)
    registry.register(external_events.EXTEND, extend, on_failure=not_extended, backoff=backoff)


def wanted(job: Job, compute: Compute) -> tuple[Row[Any], Row[Any]] | None:
    """The server and the disk, None when the server is deleted or about to be: that gives all volumes back.

    Raises Retry while other work on the server has to end first.
    """
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        device = block_devices.by_id(connection, job.payload["device"])
    if row is None or row.deleted or row.task_state == "deleting" or device is None:
        return None
    turns.await_turn(job, compute, turns.BOTH)
    return row, device


def tell(
    job: Job, compute: Compute, host: str, method: str, args: dict[str, Any], *, timeout_s: float = _CALL_S
) -> Any:
    """What the host answers. Raises GiveUp with its reason."""
    try:
        return _call(job, compute, host, method, args, timeout_s)
    except RemoteError as error:
        raise GiveUp(f"Host {host} could not {method.replace('_', ' ')}: {error}") from None


def _call(job: Job, compute: Compute, host: str, method: str, args: dict[str, Any], timeout_s: float) -> Any:
    call_id = f"{job.id}-{method}-{job.attempts}"
    return reach(job, compute, host, method, {"server_id": job.subject, **args}, timeout_s, call_id)


def _end(job: Job, compute: Compute, device: Row[Any], event: str, *, gone: bool = False) -> None:
    """The job's last change: the server's list of volumes, and its history."""
    with compute.db.write() as connection:
        now = servers.load_any(connection, job.subject, lock=True)
        if gone:
            block_devices.delete(connection, device.id)
        if now is not None and not now.deleted:
            block_devices.tell_server(compute, connection, now.id)
            ending.enter_event(compute, connection, job, event, now.host)
        job.complete(connection)


# -- in ------------------------------------------------------------------------------------------------------------


def attach(job: Job, compute: Compute) -> None:
    found = wanted(job, compute)
    if found is None:
        return
    row, device = found
    if not job.payload["reserved"]:
        # Whoever asked did not live to reserve the volume, and was told nothing.
        _give_back(job, compute, device)
        _end(job, compute, device, _ATTACH, gone=True)
        return
    if row.host is not None:
        device = disks.connect_one(job, compute, device, row.host)
        if wanted(job, compute) is None:
            return
        tell(job, compute, row.host, "attach_volume", {"disk": disks.disk(device)})
    elif device.attachment_id is None:
        device = disks.reserve(job, compute, device)
    # Of a server on no host (shelved), too: Volume then shows the volume as in use, which is what everybody waits for.
    volume.complete(compute.session, device.attachment_id)
    _end(job, compute, device, _ATTACH)


def not_attached(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """Taken back by a job of its own."""
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or row.deleted:
        return
    ending.enter_event(compute, connection, job, _ATTACH, row.host, reason)
    if row.task_state != "deleting":
        attachments.enqueue_detach(connection, row.id, job.payload["device"], failed=True)


def _give_back(job: Job, compute: Compute, device: Row[Any]) -> None:
    """End whatever attachments of the volume the server has."""
    for one in volume.attachments(compute.session, device.server_id, device.volume_id):
        job.check()
        volume.detach(compute.session, one["id"])


# -- out -----------------------------------------------------------------------------------------------------------


def detach(job: Job, compute: Compute) -> None:
    found = wanted(job, compute)
    if found is None:
        return
    row, device = found
    if not job.payload["failed"]:
        volume.act(compute.session, device.volume_id, "os-begin_detaching")
    if row.host is not None:
        _take_out(job, compute, row.host, device.volume_id)
    _give_back(job, compute, device)
    _end(job, compute, device, _DETACH, gone=True)


def _take_out(job: Job, compute: Compute, host: str, volume_id: str) -> None:
    """A guest that is not there, of a move that is being taken back, comes back with what its row lists then.

    What was never attached for good is nobody's disk, so that is insisted on.
    """
    if job.payload["failed"]:
        insist(job, compute, host, "detach_volume", server_id=job.subject, volume_id=volume_id)
        return
    try:
        _call(job, compute, host, "detach_volume", {"volume_id": volume_id}, _CALL_S)
    except RemoteError as error:
        if error.type != "NoSuchGuest":
            raise GiveUp(f"Host {host} could not detach volume: {error}") from None


def not_detached(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The server keeps it; its history has the reason, and the volume is in use again."""
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or row.deleted:
        return
    ending.enter_event(compute, connection, job, _DETACH, row.host, reason)
    attachments.enqueue_undo(connection, row.id, attachments.UNDO, job.payload)


# -- size ----------------------------------------------------------------------------------------------------------


def extend(job: Job, compute: Compute) -> None:
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        device = block_devices.find(connection, job.subject, job.payload["volume"])
    if row is None or row.deleted or row.task_state == "deleting" or device is None:
        return
    turns.await_turn(job, compute, turns.BOTH)
    found = volume.volume(compute.session, device.volume_id)
    if found is None:
        return
    if row.host is not None:
        size = {"volume_id": device.volume_id, "size_gb": found["size"]}
        tell(job, compute, row.host, "extend_volume", size)
    with compute.db.write() as connection:
        block_devices.change(connection, device.id, volume_size=found["size"])
        ending.enter_event(compute, connection, job, _EXTEND, row.host)
        job.complete(connection)


def not_extended(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The guest sees the old size until it is started again; its history has the reason."""
    row = servers.load_any(connection, job.subject)
    ending.enter_event(compute, connection, job, _EXTEND, None if row is None else row.host, reason)


# -- back to what was ----------------------------------------------------------------------------------------------


def undo(job: Job, compute: Compute) -> None:
    """Tell Volume that nothing came of a detachment."""
    with compute.db.read() as connection:
        device = block_devices.by_id(connection, job.payload["given"]["device"])
    if device is not None:
        volume.act(compute.session, device.volume_id, "os-roll_detaching")
