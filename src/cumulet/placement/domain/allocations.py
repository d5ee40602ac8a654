"""Allocations: how much of a provider's inventory a consumer has.

A write locks the consumers, then the providers, both in order, and then decides; `inventories.used` is changed by a
guarded update that matches no row where it would exceed the capacity. So two writers can neither both take the last
unit nor lose each other's allocations, on any database (tests/placement/test_hammer.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.placement.domain import changes, consumers, resource_providers
from cumulet.placement.domain.consumers import Claim
from cumulet.placement.domain.inventories import no_class, unknown_classes
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.service import Placement
from cumulet.placement.tables import allocations, inventories, providers
from cumulet.placement.tables import consumers as consumers_table

AllocationRow = Row[Any]

Place = tuple[str, str]
"""(provider UUID, resource class): where an inventory is."""

_A, _I = allocations.c, inventories.c
_OF_CONSUMERS = sa.select(_A.consumer_uuid, _A.provider_uuid, _A.resource_class, _A.used).where(
    _A.consumer_uuid.in_(sa.bindparam("consumers", expanding=True))
)
_INVENTORIES = sa.select(
    _I.provider_uuid, _I.resource_class, _I.min_unit, _I.max_unit, _I.step_size, _I.capacity, _I.used
).where(_I.provider_uuid.in_(sa.bindparam("providers", expanding=True)))
_CLEAR = sa.delete(allocations).where(_A.consumer_uuid.in_(sa.bindparam("consumers", expanding=True)))
_INSERT = sa.insert(allocations)
_INSERTED = ("consumer_uuid", "provider_uuid", "resource_class", "used", "created_at")
_USE = (
    sa.update(inventories)
    .where(_I.provider_uuid == sa.bindparam("provider"), _I.resource_class == sa.bindparam("class_"))
    .values(used=_I.used + sa.bindparam("more"))
)
_USE_WITHIN_CAPACITY = _USE.where(_I.used + sa.bindparam("more") <= _I.capacity)
_SHOW = (
    sa.select(
        _A.provider_uuid,
        _A.resource_class,
        _A.used,
        _A.created_at,
        providers.c.generation.label("provider_generation"),
        consumers_table.c.project_id,
        consumers_table.c.user_id,
        consumers_table.c.type,
        consumers_table.c.generation,
    )
    .join(providers, providers.c.uuid == _A.provider_uuid)
    .join(consumers_table, consumers_table.c.uuid == _A.consumer_uuid)
    .where(_A.consumer_uuid == sa.bindparam("consumer"))
    .order_by(_A.provider_uuid, _A.resource_class)
)
_OF_PROVIDER = (
    sa.select(_A.consumer_uuid, _A.resource_class, _A.used, _A.created_at, consumers_table.c.generation)
    .join(consumers_table, consumers_table.c.uuid == _A.consumer_uuid)
    .where(_A.provider_uuid == sa.bindparam("provider"))
    .order_by(_A.consumer_uuid, _A.resource_class)
)


def of_consumer(placement: Placement, consumer_uuid: str) -> list[AllocationRow]:
    """Rows with the provider's generation and the consumer's attributes; none for an unknown consumer."""
    with placement.db.read() as connection:
        return list(connection.execute(_SHOW, {"consumer": consumer_uuid}))


def of_provider(placement: Placement, provider_uuid: str) -> tuple[ProviderRow, list[AllocationRow]]:
    """Raises NotFound for the provider."""
    with placement.db.read() as connection:
        provider = resource_providers.load(connection, provider_uuid)
        return provider, list(connection.execute(_OF_PROVIDER, {"provider": provider_uuid}))


def replace(placement: Placement, claims: Sequence[Claim]) -> None:
    """Give each consumer exactly what its claim says, all of them or none.

    Raises BadRequest for an unknown provider or class, Conflict for another consumer generation, or where an inventory
    is missing, too small, or does not allow the amount.
    """
    try:
        with placement.db.write() as connection:
            known = consumers.lock(connection, [claim.consumer_uuid for claim in claims])
            consumers.check_generations(claims, known)
            before = held_by(connection, known)
            locked = lock_providers(connection, claims, before)
            check_providers(claims, locked)
            apply(connection, placement.now(), claims, known, before)
    except IntegrityError as error:
        if violates_unique(error):
            raise TransactionLost("somebody else made the same consumer") from error
        raise


def held_by(connection: Connection, consumer_uuids: Collection[str]) -> list[AllocationRow]:
    if not consumer_uuids:
        return []
    return list(connection.execute(_OF_CONSUMERS, {"consumers": sorted(consumer_uuids)}))


def lock_providers(
    connection: Connection, claims: Iterable[Claim], before: Iterable[AllocationRow], also: Collection[str] = ()
) -> dict[str, ProviderRow]:
    """Every provider from which something is taken or given back, locked."""
    wanted = {provider for claim in claims for provider in claim.amounts}
    return resource_providers.lock_many(connection, wanted | {row.provider_uuid for row in before} | set(also))


def check_providers(claims: Iterable[Claim], locked: Collection[str]) -> None:
    for claim in claims:
        for provider in claim.amounts:
            if provider not in locked:
                raise BadRequest(f"Allocation for resource provider '{provider}' that does not exist.")


def apply(
    connection: Connection,
    now: int,
    claims: Sequence[Claim],
    known: dict[str, consumers.ConsumerRow],
    before: Sequence[AllocationRow],
) -> None:
    """Replace what the consumers have. Consumers and providers are locked and checked."""
    wanted = [
        (claim.consumer_uuid, provider, name, amount)
        for claim in claims
        for provider, amounts in claim.amounts.items()
        for name, amount in amounts.items()
    ]
    more = _given_back(before)
    for _, provider, name, amount in wanted:
        more[provider, name] += amount
    if wanted:
        _check_amounts(connection, claims, more)
    consumers.save(connection, now, claims, known)
    if before:
        connection.execute(_CLEAR, {"consumers": sorted({row.consumer_uuid for row in before})})
    _use(connection, more)
    if wanted:
        connection.execute(_INSERT, [dict(zip(_INSERTED, (*one, now), strict=True)) for one in wanted])
    emptied = {claim.consumer_uuid for claim in claims if not claim.amounts}
    consumers.delete(connection, emptied & known.keys())
    bumped = {provider for _, provider, _, _ in wanted}
    bumped |= {row.provider_uuid for row in before if row.consumer_uuid in emptied}
    changes.stamp(connection, now, bumped=bumped, others={row.provider_uuid for row in before})


def _given_back(before: Iterable[AllocationRow]) -> Counter[Place]:
    more: Counter[Place] = Counter()
    for row in before:
        more[row.provider_uuid, row.resource_class] -= row.used
    return more


def _check_amounts(connection: Connection, claims: Sequence[Claim], more: Counter[Place]) -> None:
    """Whether every inventory is there, allows each amount, and has room for all of them together."""
    wanted = sorted({provider for claim in claims for provider in claim.amounts})
    stock: dict[Place, Any] = {
        (row.provider_uuid, row.resource_class): row for row in connection.execute(_INVENTORIES, {"providers": wanted})
    }
    for claim in claims:
        for provider, amounts in claim.amounts.items():
            for name, amount in amounts.items():
                inventory = stock.get((provider, name))
                if inventory is None:
                    raise _without_inventory(connection, claim, provider, name)
                if not inventory.min_unit <= amount <= inventory.max_unit or amount % inventory.step_size:
                    raise _refused(provider, name, "The requested amount would violate inventory constraints.")
                grows = more[provider, name]
                # A provider that is over its capacity may still be relieved, or stay as it is.
                if grows > 0 and inventory.used + grows > inventory.capacity:
                    raise _refused(provider, name, "The requested amount would exceed the capacity.")


def _without_inventory(connection: Connection, claim: Claim, provider: str, name: str) -> BadRequest | Conflict:
    unknown = unknown_classes(connection, [name])
    if unknown:
        return BadRequest(f"Unable to allocate inventory for consumer {claim.consumer_uuid}: {no_class(unknown)}")
    return Conflict(f"Unable to allocate inventory: Inventory for '{name}' on resource provider '{provider}' invalid.")


def _refused(provider: str, name: str, reason: str) -> Conflict:
    return Conflict(
        f"Unable to allocate inventory: Unable to create allocation for '{name}' on resource provider '{provider}'. "
        f"{reason}"
    )


def _use(connection: Connection, more: Counter[Place]) -> None:
    """Change what is used of each inventory; growth only where the database finds room for it."""
    changed = sorted(more.items())
    shrunk = [_used(place, amount) for place, amount in changed if amount < 0]
    grown = [_used(place, amount) for place, amount in changed if amount > 0]
    if shrunk:
        connection.execute(_USE, shrunk)
    if grown and connection.execute(_USE_WITHIN_CAPACITY, grown).rowcount != len(grown):
        raise TransactionLost("an inventory had no room when its use was to be written")


def _used(place: Place, amount: int) -> dict[str, str | int]:
    return {"provider": place[0], "class_": place[1], "more": amount}


def delete(placement: Placement, consumer_uuid: str) -> None:
    """Take everything from a consumer. Raises NotFound when it has nothing. Generations of providers stay."""
    with placement.db.write() as connection:
        known = consumers.lock(connection, [consumer_uuid])
        before = held_by(connection, known)
        if not before:
            raise NotFound(f"No allocations for consumer '{consumer_uuid}'")
        lock_providers(connection, (), before)
        connection.execute(_CLEAR, {"consumers": [consumer_uuid]})
        _use(connection, _given_back(before))
        consumers.delete(connection, [consumer_uuid])
        changes.stamp(connection, placement.now(), bumped=(), others={row.provider_uuid for row in before})
