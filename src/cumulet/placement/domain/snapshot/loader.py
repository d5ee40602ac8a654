"""Reading providers out of the tables, all of them or those that changed since certain counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.db import Database
from cumulet.placement.domain import changes
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


class _Reading(NamedTuple):
    """The statements that read providers and all that hangs on them."""

    providers: Any
    traits: Any
    aggregates: Any
    inventories: Any


_ALL = _Reading(
    sa.select(providers),
    sa.select(provider_traits.c.provider_uuid, provider_traits.c.trait),
    sa.select(provider_aggregates.c.provider_uuid, provider_aggregates.c.aggregate_uuid),
    sa.select(
        inventories.c.provider_uuid,
        inventories.c.resource_class,
        inventories.c.capacity,
        inventories.c.used,
        inventories.c.min_unit,
        inventories.c.max_unit,
        inventories.c.step_size,
    ),
)


def _if_changed(query: Any, provider_uuid: sa.Column[str] | None) -> Any:
    newer = [
        sa.and_(providers.c.shard == shard, providers.c.changed > sa.bindparam(f"seen{shard}"))
        for shard in range(changes.SHARDS)
    ]
    if provider_uuid is not None:
        query = query.join(providers, providers.c.uuid == provider_uuid)
    return query.where(sa.or_(*newer))


_CHANGED = _Reading(
    _if_changed(_ALL.providers, None),
    _if_changed(_ALL.traits, provider_traits.c.provider_uuid),
    _if_changed(_ALL.aggregates, provider_aggregates.c.provider_uuid),
    _if_changed(_ALL.inventories, inventories.c.provider_uuid),
)


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
    """Every provider, or those that changed after the counts that each shard had. Four queries."""
    reading = _ALL if since is None else _CHANGED
    counts = {} if since is None else {f"seen{shard}": since[shard] for shard in range(changes.SHARDS)}
    rows = connection.execute(reading.providers, counts).all()
    if not rows:
        return []
    carried = _gather(connection.execute(reading.traits, counts))
    member_of = _gather(connection.execute(reading.aggregates, counts))
    stock: dict[str, dict[str, Stock]] = {}
    for uuid, name, capacity, used, smallest, largest, step in connection.execute(reading.inventories, counts):
        stock.setdefault(uuid, {})[name] = Stock(capacity, used, smallest, largest, step)
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


def _gather(pairs: Iterable[Any]) -> dict[str, frozenset[str]]:
    gathered: dict[str, list[str]] = {}
    for uuid, value in pairs:
        gathered.setdefault(uuid, []).append(value)
    # Most compute nodes have the very same traits and aggregates: one set serves them all.
    same: dict[frozenset[str], frozenset[str]] = {}
    return {uuid: same.setdefault(found, found) for uuid, found in ((u, frozenset(v)) for u, v in gathered.items())}
