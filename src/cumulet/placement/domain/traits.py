"""Traits: what a provider is or can do, beside how much it has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.placement.domain import changes, resource_providers
from cumulet.placement.domain.names import is_custom
from cumulet.placement.domain.resource_providers import ProviderRow
from cumulet.placement.service import Placement
from cumulet.placement.tables import provider_traits, traits

TraitRow = Row[Any]
"""A row of `traits`."""

GENERATION_CONFLICT = "Resource provider's generation already changed. Please update the generation and try again."
_NAME: Any = traits.c["name"]
_OF_PROVIDER = (
    sa.select(traits)
    .join(provider_traits, provider_traits.c.trait == _NAME)
    .where(provider_traits.c.provider_uuid == sa.bindparam("provider"))
    .order_by(_NAME)
)


def find(
    placement: Placement,
    *,
    names: Collection[str] | None = None,
    prefix: str | None = None,
    associated: bool | None = None,
) -> list[TraitRow]:
    """All that match; `associated` means that some provider has it (or none, when False)."""
    query = sa.select(traits).order_by(_NAME)
    if names is not None:
        query = query.where(_NAME.in_(sorted(names)))
    if prefix is not None:
        query = query.where(_NAME.startswith(prefix, autoescape=True))
    if associated is not None:
        carried = sa.exists().where(provider_traits.c.trait == _NAME)
        query = query.where(carried if associated else ~carried)
    with placement.db.read() as connection:
        return list(connection.execute(query))


def show(placement: Placement, name: str) -> TraitRow:
    """Raises NotFound."""
    with placement.db.read() as connection:
        return _load(connection, name)


def _load(connection: Connection, name: str) -> TraitRow:
    row = connection.execute(sa.select(traits).where(name == _NAME)).first()
    if row is None:
        raise NotFound(f"No such trait(s): {name}.")
    return row


def ensure(placement: Placement, name: str) -> tuple[TraitRow, bool]:
    """The trait, and whether it is new."""
    try:
        with placement.db.write() as connection:
            row = connection.execute(sa.select(traits).where(name == _NAME)).first()
            if row is not None:
                return row, False
            connection.execute(sa.insert(traits).values(name=name, updated_at=placement.now()))
            changes.count(connection, changes.VOCABULARY)
            return _load(connection, name), True
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise TransactionLost("somebody else made the same trait") from error


def delete(placement: Placement, name: str) -> None:
    """Raises NotFound, BadRequest for a standard trait, Conflict while a provider has it."""
    in_use = f"The trait {name} is in use by a resource provider."
    try:
        with placement.db.write() as connection:
            _load(connection, name)
            if not is_custom(name):
                raise BadRequest(f"Cannot delete standard trait {name}.")
            used = sa.select(provider_traits.c.provider_uuid).where(provider_traits.c.trait == name).limit(1)
            if connection.execute(used).first():
                raise Conflict(in_use)
            connection.execute(sa.delete(traits).where(name == _NAME))
            changes.count(connection, changes.VOCABULARY)
    except IntegrityError:
        raise Conflict(in_use) from None


def of_provider(placement: Placement, provider_uuid: str) -> tuple[ProviderRow, list[TraitRow]]:
    """Raises NotFound for the provider."""
    with placement.db.read() as connection:
        provider = resource_providers.load(connection, provider_uuid)
        return provider, list(connection.execute(_OF_PROVIDER, {"provider": provider_uuid}))


def replace_of_provider(
    placement: Placement, provider_uuid: str, wanted: Collection[str], generation: int | None
) -> tuple[ProviderRow, list[TraitRow]]:
    """Make `wanted` all that the provider has. Without a generation none is compared.

    Raises NotFound for the provider, BadRequest for an unknown trait, Conflict for another generation. A provider that
    has just these traits already keeps its generation.
    """
    try:
        with placement.db.write() as connection:
            if generation is None:
                provider = resource_providers.lock(connection, provider_uuid)
            else:
                provider = resource_providers.lock_at(connection, provider_uuid, generation, GENERATION_CONFLICT)
            if _set(connection, provider_uuid, frozenset(wanted)):
                changes.stamp(connection, placement.now(), bumped=[provider_uuid])
                provider = resource_providers.load(connection, provider_uuid)
            return provider, list(connection.execute(_OF_PROVIDER, {"provider": provider_uuid}))
    except IntegrityError as error:
        # A trait was deleted between the look at it and its use.
        raise TransactionLost("a trait was deleted meanwhile") from error


def unknown(connection: Connection, names: frozenset[str]) -> list[str]:
    if not names:
        return []
    known = sa.select(_NAME).where(_NAME.in_(sorted(names)))
    return sorted(names - set(connection.execute(known).scalars()))


def no_trait(names: Collection[str]) -> str:
    return f"No such trait {', '.join(names)}"


def _set(connection: Connection, provider_uuid: str, wanted: frozenset[str]) -> bool:
    strange = unknown(connection, wanted)
    if strange:
        raise BadRequest(no_trait(strange))
    pair = provider_traits.c
    present = set(connection.execute(sa.select(pair.trait).where(pair.provider_uuid == provider_uuid)).scalars())
    added, dropped = wanted - present, present - wanted
    if dropped:
        connection.execute(
            sa.delete(provider_traits).where(pair.provider_uuid == provider_uuid, pair.trait.in_(sorted(dropped)))
        )
    if added:
        rows = [{"provider_uuid": provider_uuid, "trait": name} for name in sorted(added)]
        connection.execute(sa.insert(provider_traits), rows)
    return bool(added or dropped)
