"""Consumers: whoever resources are allocated to. They exist exactly as long as they have allocations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection, Row

from cumulet.placement.errors import conflict
from cumulet.placement.tables import consumers

ConsumerRow = Row[Any]
"""A row of `consumers`."""

_C = consumers.c
_LOCK = sa.select(consumers).where(_C.uuid == sa.bindparam("uuid")).with_for_update()
_LOCK_MANY = (
    sa.select(consumers).where(_C.uuid.in_(sa.bindparam("uuids", expanding=True))).order_by(_C.uuid).with_for_update()
)
_INSERT = sa.insert(consumers)
_UPDATE = (
    sa.update(consumers)
    .where(_C.uuid == sa.bindparam("consumer"))
    .values(
        generation=_C.generation + 1,
        project_id=sa.bindparam("project_id"),
        user_id=sa.bindparam("user_id"),
        type=sa.bindparam("type"),
        updated_at=sa.bindparam("updated_at"),
    )
)


class Claim(NamedTuple):
    """What one consumer shall have from now on: `amounts` is provider UUID to resource class to amount.

    `generation` is the one the client knows, None for a consumer that it takes for new, UNSET where it was not asked
    (before 1.28). `type` is UNSET before 1.38.
    """

    consumer_uuid: str
    project_id: str
    user_id: str
    amounts: dict[str, dict[str, int]]
    generation: int | UnsetType | None = UNSET
    type: str | UnsetType = UNSET


def lock(connection: Connection, uuids: Collection[str]) -> dict[str, ConsumerRow]:
    """Those of the consumers that exist, locked in the one order in which everybody locks them."""
    if len(uuids) == 1:
        rows = connection.execute(_LOCK, {"uuid": next(iter(uuids))})
    else:
        rows = connection.execute(_LOCK_MANY, {"uuids": sorted(uuids)})
    return {row.uuid: row for row in rows}


def check_generations(claims: Iterable[Claim], known: dict[str, ConsumerRow]) -> None:
    """Raises Conflict when a client's view of a consumer is not the present one."""
    for claim in claims:
        row = known.get(claim.consumer_uuid)
        actual = None if row is None else row.generation
        if claim.generation is not UNSET and claim.generation != actual:
            expected = "null" if actual is None else actual
            raise conflict(f"consumer generation conflict - expected {expected} but got {claim.generation}")


def save(connection: Connection, now: int, claims: Iterable[Claim], known: dict[str, ConsumerRow]) -> None:
    """Insert new consumers, count up the generation of the others. Those without amounts are left as they are."""
    inserted, updated = [], []
    for claim in claims:
        if not claim.amounts:
            continue
        row = known.get(claim.consumer_uuid)
        values: dict[str, Any] = {
            "project_id": claim.project_id,
            "user_id": claim.user_id,
            "type": claim.type if claim.type is not UNSET else row and row.type,
            "updated_at": now,
        }
        if row is None:
            inserted.append({"uuid": claim.consumer_uuid, "generation": 1, **values})
        else:
            updated.append({"consumer": claim.consumer_uuid, **values})
    if inserted:
        connection.execute(_INSERT, inserted)
    if updated:
        connection.execute(_UPDATE, updated)


def delete(connection: Connection, uuids: Collection[str]) -> None:
    if uuids:
        connection.execute(sa.delete(consumers).where(_C.uuid.in_(sorted(uuids))))
