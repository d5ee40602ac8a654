"""A host's help with snapshots of attached volumes, and what Volume is told of it.

Volume waits for its snapshot's status to change: it is told that the guest goes on in the new file (and goes on itself
then), or that it does not. After that it knows which file the volume is, and the server's row is told so.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from sqlalchemy.engine import Connection, Row

from cumulet.compute.clients import volume
from cumulet.compute.domain import assisted_snapshots, block_devices, servers
from cumulet.compute.jobs import disks, volumes
from cumulet.compute.service import Compute
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry, Retry

log = logging.getLogger(__name__)
_MERGE_S: Final = 3550.0
_LOOK_S: Final = 0.5


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(assisted_snapshots.CREATE, create, on_failure=not_created, backoff=backoff)
    registry.register(assisted_snapshots.DELETE, delete, on_failure=not_deleted, backoff=backoff)
    registry.register(assisted_snapshots.TELL, tell, backoff=backoff)
    registry.register(assisted_snapshots.REFRESH, refresh, backoff=backoff)


def create(job: Job, compute: Compute) -> None:
    given = job.payload
    row, device = _attached(job, compute)
    args = {"volume_id": device.volume_id, "new_file": given["new_file"]}
    volumes.tell(job, compute, row.host, "take_assisted_snapshot", args)
    _have_told(job, compute, "creating")


def delete(job: Job, compute: Compute) -> None:
    given = job.payload
    row, device = _attached(job, compute)
    if "file" not in given:
        raise GiveUp("Nothing says what files are to be merged.")
    args = {"volume_id": device.volume_id, "file": given["file"], "into": given["into"]}
    volumes.tell(job, compute, row.host, "merge_assisted_snapshot", args, timeout_s=_MERGE_S)
    _have_told(job, compute, "deleting")


def _attached(job: Job, compute: Compute) -> tuple[Row[Any], Row[Any]]:
    found = volumes.wanted(job, compute)
    if found is None or found[0].host is None:
        raise GiveUp("The volume is no server's on a host any more.")
    return found


def _have_told(job: Job, compute: Compute, status: str) -> None:
    with compute.db.write() as connection:
        assisted_snapshots.enqueue_one(connection, assisted_snapshots.TELL, job.subject, _told(job, status))
        job.complete(connection)


def _told(job: Job, status: str) -> dict[str, Any]:
    return {"device": job.payload["device"], "snapshot": job.payload["snapshot"], "status": status}


def not_created(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    _failed(job, connection, "error", reason)


def not_deleted(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    _failed(job, connection, "error_deleting", reason)


def _failed(job: Job, connection: Connection, status: str, reason: str) -> None:
    log.warning("server %s, snapshot %s of a volume: %s", job.subject, job.payload["snapshot"], reason)
    assisted_snapshots.enqueue_one(connection, assisted_snapshots.TELL, job.subject, _told(job, status))


def tell(job: Job, compute: Compute) -> None:
    given = job.payload
    if not volume.tell_of_snapshot(compute.session, given["snapshot"], given["status"]):
        log.info("snapshot %s: Volume does not wait for it to be %s", given["snapshot"], given["status"])
    if given["status"] not in ("creating", "deleting"):
        return
    with compute.db.write() as connection:
        assisted_snapshots.enqueue_one(connection, assisted_snapshots.REFRESH, job.subject, given)
        job.complete(connection)


def refresh(job: Job, compute: Compute) -> None:
    """Enter the connection that Volume has now: it names the new file once Volume is done with the snapshot."""
    found = volumes.wanted(job, compute)
    if found is None or found[1].attachment_id is None or found[1].connection_info is None:
        return
    device = found[1]
    snapshot = volume.snapshot(compute.session, job.payload["snapshot"])
    if snapshot is not None and snapshot["status"] == "creating":
        raise Retry(_LOOK_S, f"Snapshot {job.payload['snapshot']} is being made.")
    known = servers.decode(device.connection_info)
    connector = disks.connector(compute, known[disks.HOST], device.device_name)
    info = volume.connect(compute.session, device.attachment_id, connector)
    with compute.db.write() as connection:
        now = block_devices.by_id(connection, device.id)
        if now is not None and now.attachment_id == device.attachment_id:
            stored = servers.encode(info | {disks.HOST: known[disks.HOST]})
            block_devices.change(connection, device.id, connection_info=stored)
        job.complete(connection)
