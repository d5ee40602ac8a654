"""What lets a process that keeps providers in memory know, with one small query, whether something changed, and what.

Every provider belongs to one of a few shards, by its UUID. A transaction that changes anything about a provider counts
its shard up and writes the new count into `providers.changed`. The counter's row is locked from then to the commit, so
within a shard the counts become visible in the order they were given: whoever has seen count 7 has seen all that was
counted up to 7. Shards are there so that writers of different providers seldom wait for each other, and counting is the
last thing a transaction does, so that they wait briefly.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.placement.tables import change_counters, providers

SHARDS = 16
VOCABULARY = 16
"""The counter of resource classes and traits."""

TREES = 17
"""No counter: its row's lock is the turn of whoever moves providers between trees."""

_COUNTER = change_counters.c
_BUMP = sa.update(change_counters).where(_COUNTER.shard == sa.bindparam("counted")).values(value=_COUNTER.value + 1)
_BUMP_DELETED = _BUMP.values(deletions=_COUNTER.deletions + 1)
_count = sa.select(_COUNTER.value).where(_COUNTER.shard == sa.bindparam("counted")).scalar_subquery()
_STAMP = (
    sa.update(providers)
    .where(providers.c.uuid == sa.bindparam("stamped"))
    .values(
        changed=_count,
        updated_at=sa.bindparam("now"),
        generation=providers.c.generation + sa.bindparam("step"),
    )
)


_TURN = sa.select(change_counters.c.shard).where(change_counters.c.shard == TREES).with_for_update()


def take_turn(connection: Connection) -> None:
    """Wait until no other transaction moves providers between trees. Before any provider is locked."""
    connection.execute(_TURN)


def shard_of(uuid: str) -> int:
    return zlib.crc32(uuid.encode()) % SHARDS


def current_count(shard: int) -> sa.ScalarSelect[int]:
    """The shard's count as an expression, for a row that is inserted after `count`."""
    return sa.select(_COUNTER.value).where(_COUNTER.shard == shard).scalar_subquery()


def count(connection: Connection, shard: int) -> None:
    connection.execute(_BUMP, {"counted": shard})


def count_deleted(connection: Connection, uuid: str) -> None:
    connection.execute(_BUMP_DELETED, {"counted": shard_of(uuid)})


def stamp(connection: Connection, now: int, *, bumped: Collection[str], others: Collection[str] = ()) -> None:
    """Note that these providers changed; those in `bumped` get their next generation as well.

    The caller holds the rows' locks. Counters are taken in order, so that no two transactions wait for each other.
    """
    steps = dict.fromkeys(others, 0) | dict.fromkeys(bumped, 1)
    if not steps:
        return
    for shard in sorted({shard_of(uuid) for uuid in steps}):
        count(connection, shard)
    connection.execute(
        _STAMP,
        [
            {"stamped": uuid, "counted": shard_of(uuid), "now": now, "step": step}
            for uuid, step in sorted(steps.items())
        ],
    )
