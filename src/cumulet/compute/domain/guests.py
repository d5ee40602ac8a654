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


def reconcile(compute: Compute, host: str, found: dict[str, int]) -> list[str]:
    """Take over the power states of a host's guests (`{server id: state}`); returns the guests that are to go.

    Those are guests of servers that are deleted, or that live elsewhere and are not on their way. A guest that the
    database has never heard of is only logged: a database that was put back must not cost anybody's server.
    """
    with compute.db.read() as connection:
        expected = _expected(connection, host)
        strange = [server_id for server_id in found if server_id not in expected]
        leftovers = _leftovers(connection, host, strange) if strange else []
    settled = compute.now() - _SETTLED_US
    changed = [
        row
        for row in expected.values()
        if row.task_state is None and row.updated_at < settled and found.get(row.id, NO_POWER) != row.power_state
    ]
    if changed:
        _take_over(compute, changed, found)
    return leftovers


def _expected(connection: Connection, host: str) -> dict[str, Any]:
    columns = (table.c.id, table.c.vm_state, table.c.task_state, table.c.power_state, table.c.updated_at)
    query = sa.select(*columns).where(table.c.host == host, sa.not_(table.c.deleted))
    return {row.id: row for row in connection.execute(query)}


def _leftovers(connection: Connection, host: str, strange: list[str]) -> list[str]:
    gone: list[str] = []
    for start in range(0, len(strange), _IN_PLACES):
        ids = strange[start : start + _IN_PLACES]
        known = set(connection.execute(sa.select(table.c.id).where(table.c.id.in_(ids))).scalars())
        moving = set(connection.execute(_under_way(ids, host)).scalars())
        for server_id in ids:
            if server_id not in known:
                log.warning("host %s has guest %s, of which the database knows nothing", host, server_id)
            elif server_id not in moving:
                gone.append(server_id)
    return gone


def _under_way(ids: list[str], host: str) -> sa.Select[Any]:
    here = sa.or_(migrations.c.source_compute == host, migrations.c.dest_compute == host)
    return sa.select(migrations.c.server_id).where(
        migrations.c.server_id.in_(ids), migrations.c.status.not_in(moves.OVER), here
    )


def _take_over(compute: Compute, rows: list[Any], found: dict[str, int]) -> None:
    with compute.db.write() as connection:
        for row in rows:
            now = servers.load_any(connection, row.id, lock=True)
            if now is None or now.task_state is not None or now.updated_at != row.updated_at:
                continue
            power = found.get(row.id, NO_POWER)
            vm_state = _AFTER.get((now.vm_state, power), now.vm_state)
            log.info("server %s: power state %s, as its host reports", row.id, power)
            servers.change(connection, row.id, compute.now(), power_state=power, vm_state=vm_state)
