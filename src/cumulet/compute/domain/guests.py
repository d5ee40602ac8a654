"""What hosts say of their guests, against what should be: states are brought up to date, leftovers are told to go."""

from __future__ import annotations

import logging
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.compute.domain import moves, servers
from cumulet.compute.domain.server_states import CRASHED, NO_POWER, PAUSED, RUNNING, SHUTDOWN, SUSPENDED
from cumulet.compute.service import Compute
from cumulet.compute.tables import migrations
from cumulet.compute.tables import servers as table

log = logging.getLogger(__name__)

_SETTLED_US: Final = 30_000_000
"""What changed later than this long ago may be newer than the report."""
_AFTER: Final = {
    ("active", SHUTDOWN): "stopped",
    ("active", CRASHED): "stopped",
    ("active", PAUSED): "paused",
    ("active", SUSPENDED): "suspended",
    ("stopped", RUNNING): "active",
    ("paused", RUNNING): "active",
    ("paused", SHUTDOWN): "stopped",
    ("suspended", RUNNING): "active",
}
_IN_PLACES: Final = 500
Found = dict[str, dict[str, int]]
"""The power states of guests by host and server id."""


def reconcile(compute: Compute, found: Found) -> dict[str, list[str]]:
    """Take over the power states of hosts' guests; returns the guests that are to go, of hosts that have such.

    Those are guests of servers that are deleted, or that live elsewhere and are not on their way. A guest that the
    database has never heard of is only logged: a database that was put back must not cost anybody's server.
    """
    with compute.db.read() as connection:
        expected = _expected(connection, list(found))
        there = [(host, server_id) for host, guests in found.items() for server_id in guests]
        strange = [one for one in there if one not in expected]
        leftovers = _leftovers(connection, strange) if strange else {}
    settled = compute.now() - _SETTLED_US
    changed = {
        row: power
        for (host, server_id), row in expected.items()
        if row.task_state is None
        and row.updated_at < settled
        and (power := found[host].get(server_id, NO_POWER)) != row.power_state
    }
    if changed:
        _take_over(compute, changed)
    return leftovers


def _expected(connection: Connection, hosts: list[str]) -> dict[tuple[str, str], Any]:
    columns = (table.c.id, table.c.host, table.c.vm_state, table.c.task_state, table.c.power_state, table.c.updated_at)
    query = sa.select(*columns).where(table.c.host.in_(hosts), sa.not_(table.c.deleted))
    return {(row.host, row.id): row for row in connection.execute(query)}


def _leftovers(connection: Connection, strange: list[tuple[str, str]]) -> dict[str, list[str]]:
    gone: dict[str, list[str]] = {}
    for start in range(0, len(strange), _IN_PLACES):
        some = strange[start : start + _IN_PLACES]
        ids = list({server_id for _, server_id in some})
        # In this order: a move that ended before it was looked at has entered the server's host before that.
        moving = _under_way(connection, ids)
        homes = _homes(connection, ids)
        for host, server_id in some:
            if server_id not in homes:
                log.warning("host %s has guest %s, of which the database knows nothing", host, server_id)
            elif (host, server_id) not in moving and homes[server_id] != host:
                gone.setdefault(host, []).append(server_id)
    return gone


def _homes(connection: Connection, ids: list[str]) -> dict[str, str | None]:
    """The host of each server as it is now, None for one that is deleted or on none."""
    query = sa.select(table.c.id, table.c.host, table.c.deleted).where(table.c.id.in_(ids))
    return {row.id: None if row.deleted else row.host for row in connection.execute(query)}


def _under_way(connection: Connection, ids: list[str]) -> set[tuple[str, str]]:
    """(host, server) for both ends of every move that is not over."""
    query = sa.select(migrations.c.server_id, migrations.c.source_compute, migrations.c.dest_compute).where(
        migrations.c.server_id.in_(ids), migrations.c.status.not_in(moves.OVER)
    )
    return {(host, server_id) for server_id, *ends in connection.execute(query) for host in ends if host}


def _take_over(compute: Compute, changed: dict[Any, int]) -> None:
    with compute.db.write() as connection:
        for row, power in changed.items():
            now = servers.load_any(connection, row.id, lock=True)
            if now is None or now.task_state is not None or now.updated_at != row.updated_at:
                continue
            vm_state = _AFTER.get((now.vm_state, power), now.vm_state)
            log.info("server %s: power state %s, as its host reports", row.id, power)
            servers.change(connection, row.id, compute.now(), power_state=power, vm_state=vm_state)
