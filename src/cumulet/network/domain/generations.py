"""What has changed for the hosts: a counter, and for each of its values what the change was about.

Kinds of a topic: `network` (the network, its subnets, ports, addresses, names), `security_group` (its rules or its
members), `address_group`, `router`, `qos_policy`, `metering`, `host` (what is bound or scheduled to a host; the subject
is the host's name), `tunnels` (a host's end point).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel import clock
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.service import Topic
from cumulet.network.tables import state_changes, state_generation

_ROW = state_generation.c.id == 1
_COUNT = sa.update(state_generation).where(_ROW).values(value=state_generation.c.value + 1)
_VALUE = sa.select(state_generation.c.value).where(_ROW)


def record(connection: Connection, topics: set[Topic]) -> None:
    """Make the transaction a generation of its own, about these topics. Others wait here until it has committed."""
    if connection.execute(_COUNT).rowcount == 0:
        insert_if_absent(connection, state_generation, {"id": 1, "value": 0})
        connection.execute(_COUNT)
    generation, now = current(connection), clock.now()
    rows = [
        {"generation": generation, "kind": kind, "subject": subject, "created_at": now}
        for kind, subject in sorted(topics)
    ]
    connection.execute(sa.insert(state_changes), rows)


def current(connection: Connection) -> int:
    return int(connection.execute(_VALUE).scalar() or 0)


def since(connection: Connection, generation: int) -> tuple[int, set[Topic] | None]:
    """The newest generation and what changed after the given one; None when that is no longer known."""
    newest = current(connection)
    if newest == generation:
        return newest, set()
    window = state_changes.c.generation
    rows = connection.execute(
        sa.select(window, state_changes.c.kind, state_changes.c.subject).where(window > generation, window <= newest)
    ).all()
    if len({row.generation for row in rows}) != newest - generation:
        return newest, None
    return newest, {(row.kind, row.subject) for row in rows}


def purge(connection: Connection, older_than: int) -> None:
    """Forget changes before a time (microseconds): a host that was away longer gets everything."""
    connection.execute(sa.delete(state_changes).where(state_changes.c.created_at < older_than))
