"""What an operator's commands look at and put right in an existing database."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from cumulet.placement.domain import changes, resource_providers
from cumulet.placement.service import Placement
from cumulet.placement.tables import allocations, consumers, inventories, providers


class Done(NamedTuple):
    """Rows that a migration found to do, and did."""

    found: int
    completed: int


def set_root_provider_ids(placement: Placement, most: int) -> Done:
    """Providers whose root is not there become roots themselves."""
    with placement.db.write() as connection:
        lost = connection.execute(_lost_roots().limit(most)).scalars().all()
        locked = resource_providers.lock_many(connection, lost)
        for uuid in locked:
            connection.execute(sa.update(providers).where(providers.c.uuid == uuid).values(root_uuid=uuid))
        changes.stamp(connection, placement.now(), bumped=(), others=locked)
    return Done(len(lost), len(locked))


def create_incomplete_consumers(placement: Placement, most: int) -> Done:
    """Allocations whose consumer is not known get one, of the project and user for such."""
    options = placement.conf.placement
    with placement.db.write() as connection:
        lost = connection.execute(_lost_consumers().limit(most)).scalars().all()
        rows = [
            {
                "uuid": uuid,
                "generation": 0,
                "project_id": options.incomplete_consumer_project_id,
                "user_id": options.incomplete_consumer_user_id,
                "updated_at": placement.now(),
            }
            for uuid in lost
        ]
        if rows:
            connection.execute(sa.insert(consumers), rows)
    return Done(len(lost), len(rows))


def recount_usages(placement: Placement, most: int) -> Done:
    """What is used of an inventory becomes the sum of its allocations again, should somebody have edited the tables."""
    with placement.db.write() as connection:
        wrong = {row.provider_uuid for row in connection.execute(_wrong_usages().limit(most))}
        locked = resource_providers.lock_many(connection, wrong)
        fixed = 0
        for row in connection.execute(_wrong_usages().where(inventories.c.provider_uuid.in_(sorted(locked)))).all():
            connection.execute(
                sa.update(inventories)
                .where(
                    inventories.c.provider_uuid == row.provider_uuid,
                    inventories.c.resource_class == row.resource_class,
                )
                .values(used=row.allocated)
            )
            fixed += 1
        changes.stamp(connection, placement.now(), bumped=(), others=locked)
    return Done(fixed, fixed)


MIGRATIONS: tuple[Callable[[Placement, int], Done], ...] = (
    set_root_provider_ids,
    create_incomplete_consumers,
    recount_usages,
)


def count_lost_roots(placement: Placement) -> int:
    with placement.db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(_lost_roots().subquery())).scalar() or 0)


def count_lost_consumers(placement: Placement) -> int:
    with placement.db.read() as connection:
        query = sa.select(sa.func.count()).select_from(_lost_consumers().subquery())
        return int(connection.execute(query).scalar() or 0)


def _lost_roots() -> sa.Select[str]:
    root = providers.alias("root")
    joined = providers.outerjoin(root, root.c.uuid == providers.c.root_uuid)
    return sa.select(providers.c.uuid).select_from(joined).where(root.c.uuid.is_(None))


def _lost_consumers() -> sa.Select[str]:
    joined = allocations.outerjoin(consumers, consumers.c.uuid == allocations.c.consumer_uuid)
    return sa.select(allocations.c.consumer_uuid).distinct().select_from(joined).where(consumers.c.uuid.is_(None))


def _wrong_usages() -> sa.Select[str, str, int]:
    total = (
        sa.select(allocations.c.provider_uuid, allocations.c.resource_class, sa.func.sum(allocations.c.used).label("n"))
        .group_by(allocations.c.provider_uuid, allocations.c.resource_class)
        .subquery("total")
    )
    of_inventory = sa.and_(
        total.c.provider_uuid == inventories.c.provider_uuid, total.c.resource_class == inventories.c.resource_class
    )
    allocated = sa.func.coalesce(total.c.n, 0)
    return (
        sa.select(inventories.c.provider_uuid, inventories.c.resource_class, allocated.label("allocated"))
        .select_from(inventories.outerjoin(total, of_inventory))
        .where(inventories.c.used != allocated)
    )
