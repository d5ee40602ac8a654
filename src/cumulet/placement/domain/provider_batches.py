"""Many new resource providers in one transaction, for clients that enter hundreds of hosts at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import BadRequest
from cumulet.placement import errors
from cumulet.placement.domain import changes, inventories, traits
from cumulet.placement.domain.inventories import Inventory
from cumulet.placement.errors import conflict
from cumulet.placement.service import Placement
from cumulet.placement.tables import provider_traits, providers


class NewProvider(Struct, frozen=True):
    """A provider without a parent, with all that it offers and is."""

    uuid: str
    name: str
    inventories: Mapping[str, Inventory]
    traits: frozenset[str]


def create(placement: Placement, batch: Sequence[NewProvider]) -> None:
    """All or none. Raises BadRequest for an unknown class or trait, Conflict when any UUID or name is in use."""
    batch = sorted(batch, key=lambda one: one.uuid)
    try:
        with placement.db.write() as connection:
            _check_names(connection, batch)
            _insert(connection, placement.now(), batch)
    except IntegrityError as error:
        if not violates_unique(error):
            raise TransactionLost("a trait was deleted meanwhile") from error
        raise conflict(
            "Conflicting resource provider: one of these UUIDs or names already exists.", errors.DUPLICATE_NAME
        ) from None


def _check_names(connection: Connection, batch: Sequence[NewProvider]) -> None:
    classes = inventories.unknown_classes(connection, {name for one in batch for name in one.inventories})
    if classes:
        raise BadRequest(inventories.no_class(classes))
    strange = traits.unknown(connection, frozenset().union(*(one.traits for one in batch)))
    if strange:
        raise BadRequest(traits.no_trait(strange))


def _insert(connection: Connection, now: int, batch: Sequence[NewProvider]) -> None:
    fixed = {"generation": 0, "parent_uuid": None, "changed": 0, "created_at": now, "updated_at": now}
    uuids = [one.uuid for one in batch]
    connection.execute(
        sa.insert(providers),
        [
            {"uuid": one.uuid, "name": one.name, "root_uuid": one.uuid, "shard": changes.shard_of(one.uuid), **fixed}
            for one in batch
        ],
    )
    inventories.insert(connection, now, {one.uuid: one.inventories for one in batch})
    carried = [{"provider_uuid": one.uuid, "trait": name} for one in batch for name in sorted(one.traits)]
    if carried:
        connection.execute(sa.insert(provider_traits), carried)
    changes.stamp(connection, now, bumped=uuids)
