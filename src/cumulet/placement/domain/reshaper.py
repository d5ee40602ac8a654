"""Reshaping: inventories move between providers together with the allocations of them, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import BadRequest
from cumulet.placement import errors
from cumulet.placement.domain import allocations, changes, consumers, inventories
from cumulet.placement.domain.consumers import Claim
from cumulet.placement.domain.inventories import Inventory, InventoryRow
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.errors import conflict
from cumulet.placement.service import Placement


class Shape(NamedTuple):
    """All that a provider shall offer, and the generation the client knows it at."""

    generation: int
    inventories: dict[str, Inventory]


def reshape(placement: Placement, shapes: Mapping[str, Shape], claims: Sequence[Claim]) -> None:
    """Give providers these inventories and consumers these allocations, everything or nothing.

    Raises BadRequest for an unknown provider or class, Conflict for another generation of a provider or consumer, for
    an inventory that would go and is still allocated, and where allocations do not fit.
    """
    try:
        with placement.db.write() as connection:
            known = consumers.lock(connection, [claim.consumer_uuid for claim in claims]) if claims else {}
            before = allocations.held_by(connection, known)
            locked = allocations.lock_providers(connection, claims, before, also=shapes.keys())
            _check(shapes, locked)
            consumers.check_generations(claims, known)
            allocations.check_providers(claims, locked)
            existing = {uuid: inventories.of_provider(connection, uuid) for uuid in shapes}
            _check_classes(connection, shapes, existing)
            now = placement.now()
            # New inventories must be there before their allocations, old allocations gone before their inventories.
            for uuid, shape in shapes.items():
                inventories.write(connection, now, uuid, shape.inventories, existing[uuid])
            changes.stamp(connection, now, bumped=[uuid for uuid, shape in shapes.items() if shape.inventories])
            if claims:
                allocations.apply(connection, now, claims, known, before)
            for uuid, shape in shapes.items():
                left = inventories.of_provider(connection, uuid)
                inventories.remove(connection, uuid, left.keys() - shape.inventories.keys(), left)
            changes.stamp(connection, now, bumped=shapes.keys())
    except IntegrityError as error:
        if violates_unique(error):
            raise TransactionLost("somebody else made the same consumer") from error
        raise


def _check(shapes: Mapping[str, Shape], locked: Mapping[str, ProviderRow]) -> None:
    for uuid, shape in shapes.items():
        row = locked.get(uuid)
        if row is None:
            raise BadRequest(
                f"Resource provider {uuid} in inventories not found: No resource provider with uuid {uuid} found",
                code=errors.PROVIDER_NOT_FOUND,
            )
        if row.generation != shape.generation:
            raise conflict(
                f"resource provider generation conflict for provider {uuid}: actual: {row.generation}, "
                f"given: {shape.generation}"
            )


def _check_classes(
    connection: Connection, shapes: Mapping[str, Shape], existing: Mapping[str, Mapping[str, InventoryRow]]
) -> None:
    new = {name for uuid, shape in shapes.items() for name in shape.inventories if name not in existing[uuid]}
    unknown = inventories.unknown_classes(connection, new)
    if unknown:
        raise BadRequest(f"malformed reshaper data: {inventories.no_class(unknown)}")
