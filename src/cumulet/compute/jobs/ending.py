"""How work on a server ends badly: its fault, its history, and nothing left behind."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from cumulet.compute.domain import instance_actions, servers
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.jobs import Job

_LONGEST = 4000


def fault(compute: Compute, message: str, code: int = 500) -> str:
    """The server's `fault`, as JSON."""
    return servers.encode({"code": code, "created": clock.iso(compute.now()), "message": message[:_LONGEST]})


def enter_event(
    compute: Compute, connection: Connection, job: Job, name: str, host: str | None, failure: str | None = None
) -> None:
    """The finished event of a job's action; it began with the job."""
    instance_actions.event(
        connection,
        job.payload.get("action_id"),
        name,
        started=job.row.created_at,
        now=compute.now(),
        host=host,
        failure=failure,
    )


def error(compute: Compute, connection: Connection, server_id: str, reason: str, **values: Any) -> None:
    """The server is in ERROR, with the reason as its fault."""
    servers.change(
        connection,
        server_id,
        compute.now(),
        vm_state="error",
        task_state=None,
        progress=0,
        fault=fault(compute, reason),
        **values,
    )
