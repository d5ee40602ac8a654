"""Another volume in the place of a server's (Volume moves or retypes one in use).

Three jobs, each of which may be repeated at any step:
- the host copies and takes over, and the row names the new volume in the transaction that enqueues the second;
- the second ends the old attachment and tells Volume, which goes on with its own work then;
- when the first is given up, the third asks the host what came of it. A guest that uses the new volume stays there: it
  may have written already.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import volume
from cumulet.compute.domain import attachments, block_devices, servers
from cumulet.compute.jobs import disks, ending, volumes
from cumulet.compute.service import Compute
from cumulet.kernel.bus import RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry, Retry

log = logging.getLogger(__name__)
_EVENT: Final = "compute_swap_volume"
_COPY_S: Final = 3550.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(attachments.SWAP, swap, on_failure=not_swapped, backoff=backoff)
    registry.register(attachments.SWAPPED, swapped, on_failure=not_ended, backoff=backoff)
    registry.register(attachments.SWAP_BACK, take_back, backoff=backoff)


def swap(job: Job, compute: Compute) -> None:
    found = volumes.wanted(job, compute)
    if found is None:
        _tell_failed(compute, job.payload)
        return
    row, device = found
    if row.host is None:
        raise GiveUp("The server is on no host any more.")
    made, info = _connection(job, compute, row, device, job.payload["new_volume"])
    volumes.tell(job, compute, row.host, "swap_volume", _arguments(device, job.payload, info), timeout_s=_COPY_S)
    volume.complete(compute.session, made)
    _enter(job, compute, row, job.payload, made, info)


def _connection(
    job: Job, compute: Compute, row: Row[Any], device: Row[Any], volume_id: str
) -> tuple[str, dict[str, Any]]:
    """The attachment of the new volume, made if there is none, and its connection to the server's host."""
    known = volume.attachments(compute.session, row.id, volume_id)
    made = known[0]["id"] if known else volume.attach(compute.session, volume_id, row.id)["id"]
    return made, volume.connect(compute.session, made, disks.connector(compute, row.host, device.device_name))


def _arguments(device: Row[Any], given: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """The guest goes on seeing the serial number of the old one."""
    disk = {**disks.disk(device), "volume_id": given["new_volume"], "serial": given["old_volume"], "connection": info}
    return {"volume_id": given["old_volume"], "disk": disk, "name": given["kept"]}


def _enter(job: Job, compute: Compute, row: Row[Any], given: dict[str, Any], made: str, info: dict[str, Any]) -> None:
    """The row names what the guest uses, and the old attachment is to end."""
    with compute.db.write() as connection:
        stored = servers.encode(info | {disks.HOST: row.host})
        values = {"volume_id": given["kept"], "attachment_id": made, "connection_info": stored}
        block_devices.change(connection, given["device"], **values)
        block_devices.tell_server(compute, connection, row.id)
        attachments.enqueue_swapped(connection, row.id, given)
        job.complete(connection)


def not_swapped(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    row = servers.load_any(connection, job.subject)
    ending.enter_event(compute, connection, job, _EVENT, None if row is None else row.host, reason)
    attachments.enqueue_undo(connection, job.subject, attachments.SWAP_BACK, job.payload)


# -- afterwards ----------------------------------------------------------------------------------------------------


def swapped(job: Job, compute: Compute) -> None:
    """End what the server has of the old volume, then tell Volume, in this order: it renames attachments."""
    given = job.payload
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        device = block_devices.by_id(connection, given["device"])
    kept = None if device is None else device.attachment_id
    for one in volume.attachments(compute.session, job.subject, given["old_volume"]):
        if one["id"] != kept:
            job.check()
            volume.detach(compute.session, one["id"])
    if not volume.swapped(compute.session, given["old_volume"], given["new_volume"]):
        log.info("volume %s: Volume did not wait for the end of its swap, or knows of it", given["old_volume"])
    with compute.db.write() as connection:
        ending.enter_event(compute, connection, job, _EVENT, None if row is None else row.host)
        job.complete(connection)


def not_ended(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The server has the new one; its history has the reason why the old one is still attached."""
    row = servers.load_any(connection, job.subject)
    ending.enter_event(compute, connection, job, _EVENT, None if row is None else row.host, reason)


# -- back ----------------------------------------------------------------------------------------------------------


def take_back(job: Job, compute: Compute) -> None:
    given = job.payload["given"]
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
        device = block_devices.by_id(connection, given["device"])
    attached = volume.attachments(compute.session, job.subject, given["new_volume"])
    if device is not None and row is not None and row.host is not None and attached:
        made, info = _connection(job, compute, row, device, given["new_volume"])
        if _uses_new(job, compute, row, _arguments(device, given, info)):
            volume.complete(compute.session, made)
            _enter(job, compute, row, given, made, info)
            return
    for one in attached:
        job.check()
        volume.detach(compute.session, one["id"])
    _tell_failed(compute, given)


def _uses_new(job: Job, compute: Compute, row: Row[Any], args: dict[str, Any]) -> bool:
    """Raises Retry while the host cannot say."""
    try:
        return bool(compute.bus.call(row.host, "compute.cancel_swap", {"server_id": row.id, **args}, ctx=job.context()))
    except RemoteError as error:
        if error.type == "NoSuchGuest":
            return False
        raise Retry(2.0, f"Host {row.host} could not say what came of a swap: {error}") from None


def _tell_failed(compute: Compute, given: dict[str, Any]) -> None:
    volume.swapped(compute.session, given["old_volume"], given["new_volume"], failed=True)
