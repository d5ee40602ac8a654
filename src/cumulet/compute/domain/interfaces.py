"""A server's network interfaces: the VIFs in its row, and the jobs that plug them in and out and follow Network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import server_states, servers
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs
from cumulet.kernel.context import Context
from cumulet.kernel.errors import Conflict, NotFound
from cumulet.kernel.jobs import enqueue

ATTACH, DETACH, REFRESH = "server.plug", "server.unplug", "server.addresses"
"""The kinds of job. A payload names the port."""
_ATTACHABLE: Final = ("active", "paused", "stopped")
_DETACHABLE: Final = ("active", "paused", "stopped", "shelved_offloaded")
_DEADLINE_S: Final = 120.0

Vif = dict[str, Any]
Edit = Callable[[list[Vif]], list[Vif]]


def require_attachable(row: Row[Any], *, admin: bool) -> None:
    """Raises Conflict for a server that is locked or in a state in which nothing can be plugged into it."""
    server_states.require_unlocked(row, admin=admin)
    server_states.require(row, "attach_interface", _ATTACHABLE)
    if row.host is None:
        raise Conflict(f"Instance {row.id} is not ready")


def vif_of(row: Row[Any], port_id: str) -> Vif | None:
    return next((vif for vif in servers.decode(row.addresses) if vif["id"] == port_id), None)


def edit(compute: Compute, connection: Connection, row: Row[Any], change: Edit) -> None:
    """Replace the VIFs of a server whose row is locked."""
    vifs = change(servers.decode(row.addresses))
    servers.change(connection, row.id, compute.now(), addresses=servers.encode(vifs))


def attach(compute: Compute, ctx: Context, server_id: str, vif: Vif) -> None:
    """Enter a port and have it plugged in. Raises Conflict."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        require_attachable(row, admin=ctx.is_admin)
        if vif_of(row, vif["id"]) is not None:
            raise Conflict(f"Port {vif['id']} is still in use.")
        edit(compute, connection, row, lambda vifs: [*vifs, vif])
        action_id = servers.begin(compute, connection, ctx, server_id, "attach_interface")
        payload = {"port": vif["id"], "action_id": action_id}
        enqueue(connection, jobs, ATTACH, payload, subject=server_id, deadline_s=_DEADLINE_S, ctx=ctx)
    compute.wake()


def detach(compute: Compute, ctx: Context, server_id: str, port_id: str) -> None:
    """Have a port unplugged and deleted, or let go if it was there before. Raises Conflict."""
    with compute.db.write() as connection:
        row = servers.load(connection, server_id, lock=True)
        server_states.require_unlocked(row, admin=ctx.is_admin)
        server_states.require(row, "detach_interface", _DETACHABLE)
        action_id = servers.begin(compute, connection, ctx, server_id, "detach_interface")
        enqueue_detach(connection, server_id, port_id, action_id=action_id, ctx=ctx)
    compute.wake()


def enqueue_detach(
    connection: Connection, server_id: str, port_id: str, *, action_id: int | None = None, ctx: Context | None = None
) -> None:
    payload = {"port": port_id, "action_id": action_id}
    key = f"{server_id}/{port_id}"
    enqueue(connection, jobs, DETACH, payload, subject=server_id, key=key, deadline_s=_DEADLINE_S, ctx=ctx)


def enqueue_refresh(connection: Connection, server_id: str) -> None:
    """Have the addresses read from Network again; however often it is said, once."""
    enqueue(connection, jobs, REFRESH, {}, subject=server_id, key=server_id, deadline_s=_DEADLINE_S)


def store(compute: Compute, connection: Connection, row: Row[Any], current: list[Vif], groups: list[str]) -> None:
    """What Network says of the server's ports, into a row that is locked.

    Only ports that the server has are heeded: one that is being attached is entered by whoever attaches it.
    """
    by_id = {vif["id"]: vif for vif in current}
    kept = []
    for vif in servers.decode(row.addresses):
        now = by_id.get(vif["id"])
        kept.append(vif if now is None else now | {"tag": vif.get("tag"), "preserve": vif["preserve"]})
    values = {"addresses": servers.encode(kept), "security_groups": servers.encode(groups)}
    if values["addresses"] != row.addresses or values["security_groups"] != row.security_groups:
        servers.change(connection, row.id, compute.now(), **values)


def require_network(row: Row[Any], network_id: str) -> None:
    """Raises the 404."""
    if not any(vif["network_id"] == network_id for vif in servers.decode(row.addresses)):
        raise NotFound(f"Network {network_id} could not be found.")
