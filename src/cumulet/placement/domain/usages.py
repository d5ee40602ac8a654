"""Usages: allocations added up, of a provider or of a project."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from cumulet.placement.domain import resource_providers
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.service import Placement
from cumulet.placement.tables import allocations, consumers, inventories

UNKNOWN = "unknown"
"""The type of a consumer made before microversion 1.38."""
ALL = "all"

_OF_PROVIDER = sa.select(inventories.c.resource_class, inventories.c.used).where(
    inventories.c.provider_uuid == sa.bindparam("provider")
)


class TypeUsage(NamedTuple):
    """What all consumers of one type have."""

    consumer_count: int
    amounts: dict[str, int]


def of_provider(placement: Placement, provider_uuid: str) -> tuple[ProviderRow, dict[str, int]]:
    """Resource class to amount. Raises NotFound for the provider."""
    with placement.db.read() as connection:
        provider = resource_providers.load(connection, provider_uuid)
        rows = connection.execute(_OF_PROVIDER, {"provider": provider_uuid})
        return provider, {row.resource_class: row.used for row in rows}


def of_project(placement: Placement, project_id: str, user_id: str | None) -> dict[str, int]:
    """Resource class to amount."""
    query = _matching(sa.select(allocations.c.resource_class, _total()), project_id, user_id, None)
    with placement.db.read() as connection:
        return {name: int(used) for name, used in connection.execute(query.group_by(allocations.c.resource_class))}


def by_type(
    placement: Placement, project_id: str, user_id: str | None, consumer_type: str | None
) -> dict[str, TypeUsage]:
    """Usage per consumer type, of one type if it is given; `all` adds every type up under that name."""
    kind = sa.literal(ALL) if consumer_type == ALL else sa.func.coalesce(consumers.c.type, UNKNOWN)
    labelled = kind.label("kind")
    amounts = _matching(
        sa.select(labelled, allocations.c.resource_class, _total()), project_id, user_id, consumer_type
    ).group_by(labelled, allocations.c.resource_class)
    counts = _matching(
        sa.select(labelled, sa.func.count(sa.distinct(allocations.c.consumer_uuid))), project_id, user_id, consumer_type
    ).group_by(labelled)
    with placement.db.read() as connection:
        found = {name: TypeUsage(int(number), {}) for name, number in connection.execute(counts)}
        for name, resource_class, used in connection.execute(amounts):
            found.setdefault(name, TypeUsage(0, {})).amounts[resource_class] = int(used)
    return found


def _total() -> sa.Label[Any]:
    return sa.func.sum(allocations.c.used).label("total")


def _matching(query: sa.Select[Any], project_id: str, user_id: str | None, consumer_type: str | None) -> sa.Select[Any]:
    query = query.select_from(consumers.join(allocations, allocations.c.consumer_uuid == consumers.c.uuid))
    query = query.where(consumers.c.project_id == project_id)
    if user_id is not None:
        query = query.where(consumers.c.user_id == user_id)
    if consumer_type == UNKNOWN:
        return query.where(consumers.c.type.is_(None))
    if consumer_type is not None and consumer_type != ALL:
        return query.where(consumers.c.type == consumer_type)
    return query
