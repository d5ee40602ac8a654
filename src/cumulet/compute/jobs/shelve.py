"""Shelving: the root disk goes into an image, then the guest leaves its host, until it is built from it again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.compute.clients import image, placement
from cumulet.compute.domain import servers, tasks
from cumulet.compute.domain.server_states import RUNNING, SHUTDOWN
from cumulet.compute.jobs import disks, ending, guests, ports
from cumulet.compute.jobs.snapshot import UPLOAD_S, discard
from cumulet.compute.jobs.work import Work, fails_back, fails_to_error, handler, is_for
from cumulet.compute.scheduling.claim import claim
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.jobs import Backoff, Job, JobRegistry

_SHELVE, _OFFLOAD, _UNSHELVE = (
    "compute_shelve_instance",
    "compute_shelve_offload_instance",
    "compute_unshelve_instance",
)
_BUILD_S = 240.0


def register(registry: JobRegistry) -> None:
    backoff = Backoff(0.2, 5.0)
    registry.register(tasks.SHELVE.kind, handler(_shelve), on_failure=_shelving_failed, backoff=backoff)
    registry.register(tasks.OFFLOAD.kind, handler(_offload), on_failure=fails_back(_OFFLOAD), backoff=backoff)
    registry.register(tasks.UNSHELVE.kind, handler(_unshelve), on_failure=_unshelving_failed, backoff=backoff)
    registry.register(tasks.REOFFLOAD, handler(_reoffload), on_failure=fails_to_error(_UNSHELVE), backoff=backoff)


def _shelve(work: Work) -> None:
    row, image_id = work.row, work.payload["image"]
    work.ask(row.host, "stop", server_id=row.id)
    if image_id is not None:
        work.change(task_state="shelving_image_uploading")
        work.ask(row.host, "snapshot", UPLOAD_S, server_id=row.id, image_id=image_id)
    kept = servers.decode(row.system_metadata) | {
        "shelved_at": clock.iso(work.compute.now()),
        "shelved_image_id": image_id,
        "shelved_host": row.host,
    }
    after: dict[str, Any] = {"vm_state": "shelved", "power_state": SHUTDOWN, "system_metadata": servers.encode(kept)}
    at_once = work.compute.conf.shelved_offload_time == 0 or image_id is None

    def go_on(connection: Connection) -> None:
        if at_once:
            tasks.follow(work.compute, connection, work.row, tasks.OFFLOAD.kind, {})

    work.finish(_SHELVE, None, go_on, **after, task_state="shelving_offloading" if at_once else None)


def _shelving_failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """What was switched off stays so: nobody can tell whether its work may go on."""
    row = servers.load_any(connection, job.subject, lock=True)
    fails_back(_SHELVE)(job, compute, connection, reason)
    if row is not None and is_for(job, row):
        servers.change(connection, row.id, compute.now(), vm_state="stopped", power_state=SHUTDOWN)
    if job.payload["image"] is not None:
        discard(connection, job.payload["image"])


def _offload(work: Work) -> None:
    _leave_host(work)
    work.finish(_OFFLOAD, **_OFF)


_OFF: dict[str, Any] = {
    "vm_state": "shelved_offloaded",
    "power_state": SHUTDOWN,
    "host": None,
    "node": None,
    "availability_zone": None,
}


def _leave_host(work: Work) -> None:
    row = work.row
    if row.host is not None:
        work.insist(row.host, "destroy", server_id=row.id)
    ports.bind(work.compute, work.job, row, "")
    disks.forget_connections(work.job, work.compute, row)
    placement.release(work.compute.session, row.id)


def _unshelve(work: Work) -> None:
    if work.payload["was"] == "shelved":
        work.ask(work.row.host, "start", server_id=work.row.id)
    else:
        _build(work)
    kept = servers.decode(work.row.system_metadata)
    image_id = kept.pop("shelved_image_id", None)
    for name in ("shelved_at", "shelved_host"):
        kept.pop(name, None)

    def forget(connection: Connection) -> None:
        if image_id is not None:
            discard(connection, image_id)

    now = work.compute.now()
    after: dict[str, Any] = {"vm_state": "active", "power_state": RUNNING, "launched_at": now, "fault": None}
    work.finish(_UNSHELVE, None, forget, system_metadata=servers.encode(kept), **after)


def _build(work: Work) -> None:
    place = claim(work.compute, work.row, work.payload["place"])
    row = work.change(task_state="spawning", host=place.host, node=place.node, availability_zone=place.zone)
    ports.bind(work.compute, work.job, row, place.host, place.zone)
    disks.connect(work.job, work.compute, row, place.host)
    guest = guests.describe(work.compute, row)
    image_id = servers.decode(row.system_metadata).get("shelved_image_id")
    if image_id is not None:
        guest |= {"image_id": image_id, "image": image.show(work.compute.session, image_id)}
    work.ask(place.host, "spawn", _BUILD_S, guest=guest)
    disks.complete(work.job, work.compute, row)
    disks.let_go(work.job, work.compute, row)  # of a host that an interrupted run had chosen


def _unshelving_failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """Back on the shelf, without what was taken on a host."""
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or not is_for(job, row):
        return
    ending.enter_event(compute, connection, job, _UNSHELVE, row.host, reason)
    if job.payload["was"] == "shelved":
        servers.change(connection, row.id, compute.now(), task_state=None, fault=ending.fault(compute, reason))
        return
    tasks.follow(compute, connection, row, tasks.REOFFLOAD, {"reason": reason})


def _reoffload(work: Work) -> None:
    _leave_host(work)
    reason = work.payload["reason"]

    def end(connection: Connection) -> None:
        work.job.complete(connection)

    work.change(end, task_state=None, fault=ending.fault(work.compute, reason), **_OFF)
