"""What other services say of servers (Compute API, Create External Events), and what is done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import interfaces, server_states
from cumulet.compute.service import Compute
from cumulet.compute.tables import jobs, servers
from cumulet.kernel.jobs import enqueue

EXTEND: Final = "server.extend_volume"
TAGGED: Final = ("volume-extended", "power-update", "accelerator-request-bound")
"""Events that say nothing without a tag."""
_NOTED: Final = ("network-vif-plugged", "network-vif-unplugged", "accelerator-request-bound")
"""Events that change nothing here: the status of a port is asked of Network."""
_DEADLINE_S: Final = 300.0


class Event(NamedTuple):
    name: str
    server_id: str
    tag: str | None


def take(compute: Compute, events: Sequence[Event]) -> list[int]:
    """Have everything done about them in one transaction; a code for each: 200, 400 (no tag), 404, 422 (no host)."""
    # Every boot ends with a port that was plugged in, which changes nothing here.
    changes_nothing = all(event.name in _NOTED for event in events)
    with compute.db.read() if changes_nothing else compute.db.write() as connection:
        known = _servers(connection, {event.server_id for event in events})
        codes = [_take(compute, connection, event, known.get(event.server_id)) for event in events]
    if 200 in codes and not changes_nothing:
        compute.wake()
    return codes


def _servers(connection: Connection, ids: set[str]) -> Mapping[str, Any]:
    columns = (servers.c.id, servers.c.host, servers.c.vm_state, servers.c.task_state, servers.c.addresses)
    query = sa.select(*columns).where(servers.c.id.in_(ids), sa.not_(servers.c.deleted))
    return {row.id: row for row in connection.execute(query).all()}


def _take(compute: Compute, connection: Connection, event: Event, row: Row[Any] | None) -> int:
    if row is None:
        return 404
    if event.name in TAGGED and event.tag is None:
        return 400
    if row.host is None:
        return 422
    if row.task_state == "deleting":
        return 200
    if event.name == "network-changed":
        interfaces.enqueue_refresh(connection, row.id)
    elif event.name == "network-vif-deleted" and event.tag and interfaces.vif_of(row, event.tag) is not None:
        interfaces.enqueue_detach(connection, row.id, event.tag)
    elif event.name == "volume-extended":
        payload = {"volume": event.tag}
        key = f"{row.id}/{event.tag}"
        enqueue(connection, jobs, EXTEND, payload, subject=row.id, key=key, deadline_s=_DEADLINE_S)
    elif event.name == "power-update":
        _power(compute, connection, event, row)
    return 200


def _power(compute: Compute, connection: Connection, event: Event, row: Row[Any]) -> None:
    """The host was switched on or off by somebody else."""
    states = {
        ("POWER_OFF", "active"): ("stopped", server_states.SHUTDOWN),
        ("POWER_ON", "stopped"): ("active", server_states.RUNNING),
    }
    after = states.get((str(event.tag), row.vm_state))
    if after is not None and row.task_state is None:
        vm_state, power_state = after
        values = {"vm_state": vm_state, "power_state": power_state, "updated_at": compute.now()}
        connection.execute(sa.update(servers).where(servers.c.id == row.id).values(**values))
