"""Reading providers out of the tables, all of them or those that changed since certain counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.db import Database
from cumulet.placement.domain.snapshot.model import Provider, Stock
from cumulet.placement.tables import (
    change_counters,
    inventories,
    provider_aggregates,
    provider_traits,
    providers,
    resource_classes,
    traits,
)


class Counter(NamedTuple):
    value: int
    deletions: int


Counters = dict[int, Counter]
"""Shard to its counter."""

_COUNTERS = sa.select(change_counters.c.shard, change_counters.c.value, change_counters.c.deletions)
_INVENTORY = inventories.c


@contextlib.contextmanager
def consistent(db: Database) -> Iterator[Connection]:
    """A connection on which all statements see the database as it was at the first of them."""
    if db.is_sqlite:
        with db.read() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("COMMIT")
        return
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        yield connection


def counters(connection: Connection) -> Counters:
    return {shard: Counter(value, deletions) for shard, value, deletions in connection.execute(_COUNTERS)}


def vocabulary(connection: Connection) -> tuple[frozenset[str], frozenset[str]]:
    """The names of all resource classes, and of all traits."""
    return (
        frozenset(connection.execute(sa.select(resource_classes.c.name)).scalars()),
        frozenset(connection.execute(sa.select(traits.c.name)).scalars()),
    )


def uuids_in(connection: Connection, shard: int) -> set[str]:
    return set(connection.execute(sa.select(providers.c.uuid).where(providers.c.shard == shard)).scalars())


def load(connection: Connection, since: Mapping[int, int] | None = None) -> list[Provider]:
    """Every provider, or those whose shard is in `since` and that changed after that count. Four queries."""
    rows = connection.execute(_of(since, sa.select(providers), joined=False)).all()
    if not rows:
        return []
    carried = _values(connection, since, provider_traits.c.provider_uuid, provider_traits.c.trait)
    member_of = _values(connection, since, provider_aggregates.c.provider_uuid, provider_aggregates.c.aggregate_uuid)
    stock = _stock(connection, since)
    nothing: frozenset[str] = frozenset()
    return [
        Provider(
            uuid=row.uuid,
            name=row.name,
            generation=row.generation,
            parent_uuid=row.parent_uuid,
            root_uuid=row.root_uuid,
            shard=row.shard,
            created_at=row.created_at,
            updated_at=row.updated_at,
            traits=carried.get(row.uuid, nothing),
            aggregates=member_of.get(row.uuid, nothing),
            stock=stock.get(row.uuid, {}),
        )
        for row in rows
    ]


def _of(since: Mapping[int, int] | None, query: Any, *, joined: bool = True) -> Any:
    if since is None:
        return query
    newer = sa.or_(*(sa.and_(providers.c.shard == shard, providers.c.changed > seen) for shard, seen in since.items()))
    if joined:
        query = query.join(providers, providers.c.uuid == query.selected_columns["provider_uuid"])
    return query.where(newer)


def _values(
    connection: Connection, since: Mapping[int, int] | None, provider: sa.Column[str], value: sa.Column[str]
) -> dict[str, frozenset[str]]:
    gathered: dict[str, list[str]] = {}
    for uuid, one in connection.execute(_of(since, sa.select(provider, value))):
        gathered.setdefault(uuid, []).append(one)
    # Most compute nodes have the very same traits and aggregates: one set serves them all.
    same: dict[frozenset[str], frozenset[str]] = {}
    return {uuid: same.setdefault(found, found) for uuid, found in ((u, frozenset(v)) for u, v in gathered.items())}


def _stock(connection: Connection, since: Mapping[int, int] | None) -> dict[str, dict[str, Stock]]:
    query = sa.select(
        _INVENTORY.provider_uuid,
        _INVENTORY.resource_class,
        _INVENTORY.capacity,
        _INVENTORY.used,
        _INVENTORY.min_unit,
        _INVENTORY.max_unit,
        _INVENTORY.step_size,
    )
    found: dict[str, dict[str, Stock]] = {}
    for uuid, name, capacity, used, smallest, largest, step in connection.execute(_of(since, query)):
        found.setdefault(uuid, {})[name] = Stock(capacity, used, smallest, largest, step)
    return found
