"""Snapshots of attached volumes that Volume has a server's host help with: what is asked for, with its job."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Connection

from cumulet.compute.domain import block_devices, servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue

CREATE, DELETE = "assisted_snapshot.create", "assisted_snapshot.delete"
TELL, REFRESH = "assisted_snapshot.tell", "assisted_snapshot.refresh"
"""The kinds of job. A payload names the row of `block_devices` and the snapshot; its subject is the server."""
_DEADLINE_S: Final = 3600.0


def request(
    compute: Compute, ctx: Context, kind: str, volume_id: str, given: dict[str, Any], *, active: bool = False
) -> None:
    """Have it done by the host of the server that has the volume, which is `active` if it has to be.

    `given`: `snapshot`, its id, and what the kind of job needs. Raises BadRequest, also where a conflict would be the
    better answer: so the original does.
    """
    with compute.db.write() as connection:
        devices = block_devices.of_volume(connection, volume_id)
        if not devices:
            raise BadRequest(f"No volume Block Device Mapping with id {volume_id}.")
        if len(devices) > 1:
            raise BadRequest(
                f"Block Device Mapping {volume_id} is a multi-attach volume and is not valid for this operation."
            )
        row = servers.load(connection, devices[0].server_id, lock=True)
        if row.host is None:
            raise BadRequest(f"Instance {row.id} is not ready")
        for name, wrong in (("task_state", row.task_state is not None), ("vm_state", active and not _is_active(row))):
            if wrong:
                verb = "volume_snapshot_create" if kind == CREATE else "volume_snapshot_delete"
                raise BadRequest(f"Cannot '{verb}' instance {row.id} while it is in {name} {getattr(row, name)}")
        enqueue_one(connection, kind, row.id, {"device": devices[0].id, **given}, ctx)
    compute.wake()


def _is_active(row: Any) -> bool:
    return bool(row.vm_state == "active")


def enqueue_one(
    connection: Connection, kind: str, server_id: str, payload: dict[str, Any], ctx: Context | None = None
) -> None:
    """After whatever else is done to this disk."""
    enqueue(connection, jobs, kind, payload, subject=server_id, key=payload["device"], deadline_s=_DEADLINE_S, ctx=ctx)
