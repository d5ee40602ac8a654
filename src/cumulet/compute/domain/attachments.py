"""Volumes attached to servers: what is asked for, entered with the job that does it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import block_devices, server_states, servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Conflict
from cumulet.kernel.jobs import enqueue

ATTACH, DETACH, UNDO = "server.attach_volume", "server.detach_volume", "server.undo_volume"
SWAP, SWAPPED, SWAP_BACK = "server.swap_volume", "server.swapped_volume", "server.swap_back_volume"
"""The kinds of job. A payload names the row of `block_devices`."""
_SHELVED: Final = ("shelved", "shelved_offloaded")
_ATTACHABLE: Final = ("active", "paused", "stopped", "resized", "soft-delete", *_SHELVED)
_DETACHABLE: Final = ("active", "paused", "suspended", "stopped", "resized", "soft-delete", *_SHELVED)
_SWAPPABLE: Final = ("active", "paused", "resized")
_DEADLINE_S: Final = 300.0
_SWAP_DEADLINE_S: Final = 3600.0
_RESERVED_S: Final = 30
"""How long whoever asked may take to reserve a volume before it counts as gone."""


class Wish(NamedTuple):
    volume_id: str
    size_gb: int
    device: str | None
    tag: str | None
    delete_on_termination: bool


def require_attachable(row: Row[Any], *, admin: bool) -> None:
    """Raises Conflict."""
    server_states.require_unlocked(row, admin=admin)
    server_states.require(row, "attach_volume", _ATTACHABLE)


class Entered(NamedTuple):
    """An attachment that is yet to be reserved: its row's id, the device's name, the action in history."""

    id: str
    device: str
    action_id: int


def enter(compute: Compute, ctx: Context, server_id: str, wish: Wish) -> Entered:
    """Enter an attachment.

    Its job runs when `reserved` says so, or takes it back when nobody says anything. Raises Conflict, BadRequest.
    """
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        require_attachable(row, admin=ctx.is_admin)
        present = block_devices.of_server(connection, server_id)
        taken = [device.device_name for device in present]
        if wish.device is not None and wish.device in taken:
            raise Conflict(f"The supplied device path ({wish.device}) is in use.")
        device = {
            "source_type": "volume",
            "destination_type": "volume",
            "device_name": block_devices.next_name(servers.decode(row.flavor), taken, wish.device),
            "delete_on_termination": wish.delete_on_termination,
            "volume_id": wish.volume_id,
            "volume_size": wish.size_gb,
            "tag": wish.tag,
            "encrypted": False,
        }
        [device_id] = block_devices.insert(connection, server_id, [device], compute.now())
        action_id = servers.begin(compute, connection, ctx, server_id, "attach_volume")
        _enqueue_attach(compute, connection, ctx, server_id, device_id, action_id, reserved=False)
        return Entered(device_id, str(device["device_name"]), action_id)


def _enqueue_attach(
    compute: Compute,
    connection: Connection,
    ctx: Context,
    server_id: str,
    device_id: str,
    action_id: int | None,
    *,
    reserved: bool,
) -> None:
    payload = {"device": device_id, "action_id": action_id, "reserved": reserved}
    at = None if reserved else compute.now() + _RESERVED_S * 1_000_000
    enqueue(
        connection, jobs, ATTACH, payload, subject=server_id, key=device_id, run_at=at, deadline_s=_DEADLINE_S, ctx=ctx
    )


def reserved(compute: Compute, ctx: Context, server_id: str, entered: Entered, attachment_id: str) -> bool:
    """Volume has reserved it: have it attached. False when it has been taken back meanwhile."""
    with compute.db.write() as connection:
        server = servers.load_any(connection, server_id, lock=True)
        if server is None or server.deleted or block_devices.by_id(connection, entered.id) is None:
            return False
        block_devices.change(connection, entered.id, attachment_id=attachment_id)
        block_devices.tell_server(compute, connection, server_id)
        _enqueue_attach(compute, connection, ctx, server_id, entered.id, entered.action_id, reserved=True)
    compute.wake()
    return True


def forget(compute: Compute, ctx: Context, server_id: str, entered: Entered) -> None:
    """Volume has refused it: its job finds nothing to do."""
    with compute.db.write() as connection:
        block_devices.delete(connection, entered.id)
        payload = {"device": entered.id, "action_id": entered.action_id, "reserved": False}
        enqueue(connection, jobs, ATTACH, payload, subject=server_id, key=entered.id, deadline_s=_DEADLINE_S, ctx=ctx)
    compute.wake()


def detach(compute: Compute, ctx: Context, server_id: str, volume_id: str) -> None:
    """Raises Conflict in a state that does not allow it."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        server_states.require_unlocked(row, admin=ctx.is_admin)
        server_states.require(row, "detach_volume", _DETACHABLE)
        device = block_devices.load(connection, server_id, volume_id)
        action_id = servers.begin(compute, connection, ctx, server_id, "detach_volume")
        enqueue_detach(connection, server_id, device.id, action_id=action_id, ctx=ctx)
    compute.wake()


def enqueue_detach(
    connection: Connection,
    server_id: str,
    device_id: str,
    *,
    action_id: int | None = None,
    ctx: Context | None = None,
    failed: bool = False,
) -> None:
    """`failed`: it was never attached for good."""
    payload = {"device": device_id, "action_id": action_id, "failed": failed}
    enqueue(connection, jobs, DETACH, payload, subject=server_id, key=device_id, deadline_s=_DEADLINE_S, ctx=ctx)


def enqueue_undo(connection: Connection, server_id: str, kind: str, given: dict[str, Any]) -> None:
    """`given` is the payload of the job that failed."""
    enqueue(
        connection, jobs, kind, {"given": given}, subject=server_id, key=given["device"], deadline_s=_SWAP_DEADLINE_S
    )


def set_delete_on_termination(compute: Compute, server_id: str, volume_id: str, wanted: bool) -> None:
    with compute.db.write() as connection:
        servers.load(connection, server_id, lock=True)
        device = block_devices.load(connection, server_id, volume_id)
        block_devices.change(connection, device.id, delete_on_termination=wanted)
        block_devices.tell_server(compute, connection, server_id)


class Swap(NamedTuple):
    """`kept`: the id by which the server's volume is known afterwards: the new one's, or the old one's where Volume
    moves a volume and gives the new place its id."""

    old: str
    new: str
    kept: str


def swap(compute: Compute, ctx: Context, server_id: str, wish: Swap) -> None:
    """Raises Conflict."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        server_states.require_unlocked(row, admin=ctx.is_admin)
        server_states.require(row, "swap_volume", _SWAPPABLE)
        if row.host is None:
            raise Conflict(f"Instance {server_id} is not ready")
        device = block_devices.load(connection, server_id, wish.old)
        action_id = servers.begin(compute, connection, ctx, server_id, "swap_volume")
        payload = {
            "device": device.id,
            "old_volume": wish.old,
            "new_volume": wish.new,
            "kept": wish.kept,
            "action_id": action_id,
        }
        deadline_s = _SWAP_DEADLINE_S
        enqueue(connection, jobs, SWAP, payload, subject=server_id, key=device.id, deadline_s=deadline_s, ctx=ctx)
    compute.wake()


def enqueue_swapped(connection: Connection, server_id: str, given: dict[str, Any]) -> None:
    """The guest uses the new volume and the row says so: what is left is to end the old one's attachment."""
    deadline_s = _SWAP_DEADLINE_S
    enqueue(connection, jobs, SWAPPED, given, subject=server_id, key=given["device"], deadline_s=deadline_s)
