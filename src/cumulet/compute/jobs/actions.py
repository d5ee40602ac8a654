"""Power operations on a server: one call to its host, then its new state."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from cumulet.compute.domain import servers
from cumulet.compute.domain.server_actions import POWERS
from cumulet.compute.jobs import ending
from cumulet.compute.jobs.work import is_for, reach
from cumulet.compute.service import Compute
from cumulet.kernel.bus import RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, JobRegistry

_CALL_S = 60.0


def register(registry: JobRegistry) -> None:
    registry.register(servers.ACT, act, on_failure=failed, backoff=Backoff(0.2, 5.0))


def act(job: Job, compute: Compute) -> None:
    operation = job.payload["operation"]
    power = POWERS[operation]
    with compute.db.read() as connection:
        row = servers.load_any(connection, job.subject)
    if row is None or not is_for(job, row):
        return
    args = {"server_id": row.id} | ({"hard": operation == "reboot_hard"} if power.method == "reboot" else {})
    try:
        reach(job, compute, row.host, power.method, args, _CALL_S, f"{job.id}-{job.attempts}")
    except RemoteError as error:
        raise GiveUp(f"Host {row.host} could not {power.method} the guest: {error}") from None
    with compute.db.write() as connection:
        now = servers.load_any(connection, row.id, lock=True)
        if now is not None and is_for(job, now):
            after = {"vm_state": power.vm_state, "power_state": power.power_state, "task_state": None}
            servers.change(connection, row.id, compute.now(), **after)
            ending.enter_event(compute, connection, job, power.event, row.host)
        job.complete(connection)


def failed(job: Job, compute: Compute, connection: Connection, reason: str) -> None:
    """The server stays what it was, except that its history has the reason; one that may be anything is in ERROR."""
    row = servers.load_any(connection, job.subject, lock=True)
    if row is None or not is_for(job, row):
        return
    ending.enter_event(compute, connection, job, POWERS[job.payload["operation"]].event, row.host, reason)
    ending.error(compute, connection, row.id, reason)
