"""Aggregates of a provider: groups named by UUIDs that mean something elsewhere."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.placement.domain import changes, resource_providers
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.domain.traits import GENERATION_CONFLICT
from cumulet.placement.service import Placement
from cumulet.placement.tables import provider_aggregates

_PAIR = provider_aggregates.c
_OF_PROVIDER = (
    sa.select(_PAIR.aggregate_uuid)
    .where(_PAIR.provider_uuid == sa.bindparam("provider"))
    .order_by(_PAIR.aggregate_uuid)
)


def of_provider(placement: Placement, provider_uuid: str) -> tuple[ProviderRow, list[str]]:
    """Raises NotFound for the provider."""
    with placement.db.read() as connection:
        provider = resource_providers.load(connection, provider_uuid)
        return provider, _present(connection, provider_uuid)


def _present(connection: Connection, provider_uuid: str) -> list[str]:
    return list(connection.execute(_OF_PROVIDER, {"provider": provider_uuid}).scalars())


def replace(placement: Placement, provider_uuid: str, wanted: Collection[str], generation: int | None) -> ProviderRow:
    """Make `wanted` the provider's aggregates. Raises NotFound, or Conflict for another generation.

    Without a generation none is compared and it stays as it is: before 1.19 aggregates did not count as a change.
    """
    with placement.db.write() as connection:
        if generation is None:
            resource_providers.lock(connection, provider_uuid)
        else:
            resource_providers.lock_at(connection, provider_uuid, generation, GENERATION_CONFLICT)
        _set(connection, provider_uuid, set(wanted))
        bumped = [] if generation is None else [provider_uuid]
        changes.stamp(connection, placement.now(), bumped=bumped, others=[provider_uuid])
        return resource_providers.load(connection, provider_uuid)


def _set(connection: Connection, provider_uuid: str, wanted: set[str]) -> None:
    present = set(_present(connection, provider_uuid))
    added, dropped = wanted - present, present - wanted
    if dropped:
        connection.execute(
            sa.delete(provider_aggregates).where(
                _PAIR.provider_uuid == provider_uuid, _PAIR.aggregate_uuid.in_(sorted(dropped))
            )
        )
    if added:
        connection.execute(
            sa.insert(provider_aggregates),
            [{"provider_uuid": provider_uuid, "aggregate_uuid": uuid} for uuid in sorted(added)],
        )
