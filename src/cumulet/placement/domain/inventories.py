"""Inventories: how much of each resource class a provider offers, and how much of it is allocated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.placement import errors
from cumulet.placement.domain import changes, resource_providers
from cumulet.placement.domain.names import standard_first
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.errors import conflict
from cumulet.placement.service import Placement
from cumulet.placement.tables import inventories, resource_classes

InventoryRow = Row[Any]
"""A row of `inventories`."""


class Inventory(NamedTuple):
    """How much a provider offers of one resource class; amounts are in the class's unit."""

    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float


GENERATION_CONFLICT = "resource provider generation conflict"
_LARGEST = 2**62
_CAPACITY_MAY_BE_ZERO = (1, 26)

_I = inventories.c
_OF_PROVIDER = sa.select(inventories).where(_I.provider_uuid == sa.bindparam("provider"))
_UPDATE = (
    sa.update(inventories)
    .where(_I.provider_uuid == sa.bindparam("provider"), _I.resource_class == sa.bindparam("class_"))
    .values(
        total=sa.bindparam("total"),
        reserved=sa.bindparam("reserved"),
        min_unit=sa.bindparam("min_unit"),
        max_unit=sa.bindparam("max_unit"),
        step_size=sa.bindparam("step_size"),
        allocation_ratio=sa.bindparam("allocation_ratio"),
        capacity=sa.bindparam("capacity"),
        updated_at=sa.bindparam("updated_at"),
    )
)
_INSERT = sa.insert(inventories)


def capacity_of(inventory: Inventory) -> int:
    """What may be allocated: all but the reserved part, times the ratio, rounded down."""
    exact = (inventory.total - inventory.reserved) * inventory.allocation_ratio
    return int(max(-_LARGEST, min(_LARGEST, exact)))


def check_capacity(provider_uuid: str, wanted: Mapping[str, Inventory], version: tuple[int, int], doing: str) -> None:
    """Raises BadRequest for an inventory that offers nothing; since 1.26 one may reserve all it has."""
    least = 0 if version >= _CAPACITY_MAY_BE_ZERO else 1
    for name, inventory in wanted.items():
        if capacity_of(inventory) < least:
            than = "greater than" if least == 0 else "greater than or equal to"
            raise BadRequest(
                f"Unable to {doing} inventory for resource provider {provider_uuid}: Invalid inventory for '{name}' "
                f"on resource provider '{provider_uuid}'. The reserved value is {than} total."
            )


def find(placement: Placement, provider_uuid: str) -> tuple[ProviderRow, dict[str, InventoryRow]]:
    """Raises NotFound for the provider."""
    with placement.db.read() as connection:
        provider = resource_providers.load(connection, provider_uuid)
        return provider, of_provider(connection, provider_uuid)


def of_provider(connection: Connection, provider_uuid: str) -> dict[str, InventoryRow]:
    return {row.resource_class: row for row in connection.execute(_OF_PROVIDER, {"provider": provider_uuid})}


def create(placement: Placement, provider_uuid: str, name: str, inventory: Inventory) -> ProviderRow:
    """Raises NotFound for the provider, BadRequest for an unknown class, Conflict when it has the class already."""
    with placement.db.write() as connection:
        resource_providers.lock(connection, provider_uuid)
        existing = of_provider(connection, provider_uuid)
        if name in existing:
            raise conflict(f"Update conflict: there is an inventory of {name} already.")
        unknown = unknown_classes(connection, [name])
        if unknown:
            raise BadRequest(f"Unable to create inventory for resource provider {provider_uuid}: {no_class(unknown)}")
        return _save(connection, placement.now(), provider_uuid, {name: inventory}, existing)


def update(placement: Placement, provider_uuid: str, name: str, inventory: Inventory, generation: int) -> ProviderRow:
    """Raises NotFound for provider or class, BadRequest when the provider lacks the class, Conflict."""
    with placement.db.write() as connection:
        resource_providers.lock_at(connection, provider_uuid, generation, GENERATION_CONFLICT)
        existing = of_provider(connection, provider_uuid)
        if name not in existing:
            unknown = unknown_classes(connection, [name])
            if unknown:
                raise NotFound(no_class(unknown))
            raise BadRequest(
                f"No inventory record with resource class for resource provider {provider_uuid}: No inventory of "
                f"class {name} found."
            )
        return _save(connection, placement.now(), provider_uuid, {name: inventory}, existing)


def replace(
    placement: Placement, provider_uuid: str, wanted: Mapping[str, Inventory], generation: int | None
) -> ProviderRow:
    """Make `wanted` all that the provider offers. Without a generation none is compared.

    Raises NotFound for the provider, BadRequest for an unknown class, Conflict for another generation or while what
    would go is allocated.
    """
    with placement.db.write() as connection:
        if generation is None:
            resource_providers.lock(connection, provider_uuid)
        else:
            resource_providers.lock_at(connection, provider_uuid, generation, GENERATION_CONFLICT)
        existing = of_provider(connection, provider_uuid)
        unknown = unknown_classes(connection, wanted.keys() - existing.keys())
        if unknown:
            raise BadRequest(
                f"Unknown resource class in inventory for resource provider {provider_uuid}: {no_class(unknown)}"
            )
        remove(connection, provider_uuid, existing.keys() - wanted.keys(), existing)
        return _save(connection, placement.now(), provider_uuid, wanted, existing)


def delete(placement: Placement, provider_uuid: str, name: str) -> None:
    """Raises NotFound for provider or inventory, Conflict while it is allocated."""
    with placement.db.write() as connection:
        resource_providers.lock(connection, provider_uuid)
        existing = of_provider(connection, provider_uuid)
        if name not in existing:
            unknown = unknown_classes(connection, [name])
            reason = no_class(unknown) if unknown else f"No inventory of class {name} found for delete"
            raise NotFound(f"No inventory of class {name} found for delete: {reason}")
        if existing[name].used:
            raise conflict(f"Unable to delete inventory of class {name}: {in_use([name], provider_uuid)}")
        remove(connection, provider_uuid, {name}, existing)
        changes.stamp(connection, placement.now(), bumped=[provider_uuid])


def remove(
    connection: Connection, provider_uuid: str, names: Collection[str], existing: Mapping[str, InventoryRow]
) -> None:
    """Raises Conflict while one of them is allocated. The caller holds the provider's lock."""
    used = [name for name in sorted(names, key=standard_first) if existing[name].used]
    if used:
        raise conflict(f"update conflict: {in_use(used, provider_uuid)}", errors.INVENTORY_IN_USE)
    if names:
        connection.execute(
            sa.delete(inventories).where(_I.provider_uuid == provider_uuid, _I.resource_class.in_(sorted(names)))
        )


def write(
    connection: Connection,
    now: int,
    provider_uuid: str,
    wanted: Mapping[str, Inventory],
    existing: Mapping[str, InventoryRow],
) -> None:
    """Insert and update; what is allocated stays so, also beyond a smaller capacity. The caller holds the lock."""
    rows = {name: _columns(inventory, now) for name, inventory in wanted.items()}
    updated = [{"provider": provider_uuid, "class_": name, **row} for name, row in rows.items() if name in existing]
    inserted = [
        {"provider_uuid": provider_uuid, "resource_class": name, "used": 0, **row}
        for name, row in rows.items()
        if name not in existing
    ]
    if updated:
        connection.execute(_UPDATE, updated)
    if inserted:
        connection.execute(_INSERT, inserted)


def _columns(inventory: Inventory, now: int) -> dict[str, Any]:
    return {**inventory._asdict(), "capacity": capacity_of(inventory), "updated_at": now}


def insert(connection: Connection, now: int, wanted: Mapping[str, Mapping[str, Inventory]]) -> None:
    """What new providers offer, by their UUIDs and by class."""
    rows = [
        {"provider_uuid": uuid, "resource_class": name, "used": 0, **_columns(inventory, now)}
        for uuid, offered in wanted.items()
        for name, inventory in offered.items()
    ]
    if rows:
        connection.execute(_INSERT, rows)


def _save(
    connection: Connection,
    now: int,
    provider_uuid: str,
    wanted: Mapping[str, Inventory],
    existing: Mapping[str, InventoryRow],
) -> ProviderRow:
    write(connection, now, provider_uuid, wanted, existing)
    changes.stamp(connection, now, bumped=[provider_uuid])
    return resource_providers.load(connection, provider_uuid)


def unknown_classes(connection: Connection, names: Collection[str]) -> list[str]:
    if not names:
        return []
    query = sa.select(resource_classes.c.name).where(resource_classes.c.name.in_(sorted(names)))
    return sorted(set(names) - set(connection.execute(query).scalars()))


def no_class(names: Collection[str]) -> str:
    return f"No such resource class {', '.join(names)}."


def in_use(names: Collection[str], provider_uuid: str) -> str:
    return f"Inventory for '{', '.join(names)}' on resource provider '{provider_uuid}' in use."
