"""Resource providers: who has inventory, and their trees.

`root_uuid` is kept in every provider, so that a tree is one indexed read; moving a subtree rewrites it there. Whatever
decides on a provider holds its row's lock, providers of one transaction in the order of their UUIDs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, violates_unique
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.placement import errors
from cumulet.placement.domain import changes
from cumulet.placement.errors import conflict, no_provider
from cumulet.placement.service import Placement
from cumulet.placement.tables import inventories, provider_aggregates, provider_traits, providers

ProviderRow = Row[Any]
"""A row of `providers`."""

_SHOW = sa.select(providers).where(providers.c.uuid == sa.bindparam("uuid"))
_LOCK = _SHOW.with_for_update()
_LOCK_MANY = (
    sa.select(providers)
    .where(providers.c.uuid.in_(sa.bindparam("uuids", expanding=True)))
    .order_by(providers.c.uuid)
    .with_for_update()
)
_TREE = sa.select(providers).where(providers.c.root_uuid == sa.bindparam("root")).order_by(providers.c.uuid)


def show(placement: Placement, uuid: str) -> ProviderRow:
    """Raises NotFound."""
    with placement.db.read() as connection:
        return load(connection, uuid)


def load(connection: Connection, uuid: str) -> ProviderRow:
    """Raises NotFound."""
    row = connection.execute(_SHOW, {"uuid": uuid}).first()
    if row is None:
        raise no_provider(uuid)
    return row


def lock(connection: Connection, uuid: str) -> ProviderRow:
    """The provider, unchangeable by others until the transaction ends. Raises NotFound."""
    row = connection.execute(_LOCK, {"uuid": uuid}).first()
    if row is None:
        raise no_provider(uuid)
    return row


def lock_many(connection: Connection, uuids: Collection[str]) -> dict[str, ProviderRow]:
    """Those of the providers that exist, locked in the one order in which everybody locks them."""
    if not uuids:
        return {}
    if len(uuids) == 1:
        rows = connection.execute(_LOCK, {"uuid": next(iter(uuids))})
    else:
        rows = connection.execute(_LOCK_MANY, {"uuids": sorted(uuids)})
    return {row.uuid: row for row in rows}


def lock_at(connection: Connection, uuid: str, generation: int, message: str) -> ProviderRow:
    """The provider, locked, if it still has this generation. Raises NotFound, or Conflict with `message`."""
    row = lock(connection, uuid)
    if row.generation != generation:
        raise conflict(message)
    return row


def create(placement: Placement, uuid: str, name: str, parent_uuid: str | None) -> ProviderRow:
    """Raises BadRequest for a parent that cannot be one, Conflict for a name or UUID in use."""
    refusal = f'Unable to create resource provider "{name}", {uuid}: Object action create failed because: '
    if not name:
        raise BadRequest(f"{refusal}name is required")
    if parent_uuid == uuid:
        raise BadRequest(
            f"{refusal}parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there "
            "is no parent."
        )
    try:
        with placement.db.write() as connection:
            root_uuid = uuid
            if parent_uuid is not None:
                parent = connection.execute(_LOCK, {"uuid": parent_uuid}).first()
                if parent is None:
                    raise BadRequest(f"{refusal}parent provider UUID does not exist.")
                root_uuid = parent.root_uuid
            _insert(connection, placement.now(), uuid, name, parent_uuid, root_uuid)
            return load(connection, uuid)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
    raise conflict(
        f"Conflicting resource provider {_taken(placement, uuid, name)} already exists.", errors.DUPLICATE_NAME
    )


def _insert(connection: Connection, now: int, uuid: str, name: str, parent_uuid: str | None, root_uuid: str) -> None:
    shard = changes.shard_of(uuid)
    changes.count(connection, shard)
    connection.execute(
        sa.insert(providers).values(
            uuid=uuid,
            name=name,
            generation=0,
            parent_uuid=parent_uuid,
            root_uuid=root_uuid,
            shard=shard,
            changed=changes.current_count(shard),
            created_at=now,
            updated_at=now,
        )
    )


def _taken(placement: Placement, uuid: str, name: str) -> str:
    """`uuid: …, name: …`: which of the two another provider has. Raises TransactionLost if none has any more."""
    query = sa.select(providers.c.uuid, providers.c.name).where(
        sa.or_(providers.c.uuid == uuid, providers.c.name == name)
    )
    with placement.db.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        raise TransactionLost("the provider with this name was deleted meanwhile")
    found = [f"uuid: {uuid}"] if any(row.uuid == uuid for row in rows) else []
    # MariaDB takes names for equal that differ in spaces at their end.
    named = any(row.name.rstrip() == name.rstrip() for row in rows)
    return ", ".join([*found, f"name: {name}"] if named or not found else found)


def update(
    placement: Placement, uuid: str, name: str, parent_uuid: str | UnsetType | None, *, may_reparent: bool
) -> ProviderRow:
    """Rename a provider, and move it with all below it when another parent is given.

    Raises NotFound, Conflict for a name in use, BadRequest for a move that is not allowed.
    """
    try:
        with placement.db.write() as connection:
            row = load(connection, uuid)
            if parent_uuid is not UNSET and parent_uuid != row.parent_uuid:
                _move(connection, placement.now(), row, parent_uuid, may_reparent=may_reparent)
            else:
                row = lock(connection, uuid)
            if name != row.name:
                connection.execute(sa.update(providers).where(providers.c.uuid == uuid).values(name=name))
                changes.stamp(connection, placement.now(), bumped=(), others=[uuid])
            return load(connection, uuid)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
    raise conflict(f"Conflicting resource provider {name} already exists.", errors.DUPLICATE_NAME)


def _move(connection: Connection, now: int, row: ProviderRow, parent_uuid: str | None, *, may_reparent: bool) -> None:
    refusal = f"Unable to save resource provider {row.uuid}: Object action update failed because: "
    if parent_uuid is None and not may_reparent:
        raise BadRequest(f"{refusal}un-parenting a provider is not currently allowed.")
    tree = _lock_trees(connection, row.uuid, parent_uuid)
    if row.uuid not in tree:
        raise no_provider(row.uuid)
    root_uuid = row.uuid
    if parent_uuid is not None:
        if parent_uuid not in tree:
            raise BadRequest(f"{refusal}parent provider UUID does not exist.")
        if tree[row.uuid].parent_uuid is not None and not may_reparent:
            raise BadRequest(f"{refusal}re-parenting a provider is not currently allowed.")
        root_uuid = tree[parent_uuid].root_uuid
    subtree = _below(row.uuid, tree)
    if parent_uuid in subtree:
        raise BadRequest(f"{refusal}creating loop in the provider tree is not allowed.")
    connection.execute(sa.update(providers).where(providers.c.uuid == row.uuid).values(parent_uuid=parent_uuid))
    connection.execute(sa.update(providers).where(providers.c.uuid.in_(subtree)).values(root_uuid=root_uuid))
    changes.stamp(connection, now, bumped=(), others=subtree)


def _lock_trees(connection: Connection, uuid: str, parent_uuid: str | None) -> dict[str, ProviderRow]:
    """Every provider of the trees that a provider leaves and enters, locked.

    Moves take turns, so these stay the same trees; but until a parent is locked it may get another child.
    """
    changes.take_turn(connection)
    locked: dict[str, ProviderRow] = {}
    while True:
        ends = [connection.execute(_SHOW, {"uuid": one}).first() for one in (uuid, parent_uuid) if one is not None]
        roots = {end.root_uuid for end in ends if end is not None}
        found = {row.uuid: row for root in sorted(roots) for row in connection.execute(_TREE, {"root": root})}
        missing = found.keys() - locked.keys()
        if not missing:
            return found
        locked |= lock_many(connection, missing)


def _below(uuid: str, tree: dict[str, ProviderRow]) -> set[str]:
    """The provider and everything under it."""
    children: dict[str, list[str]] = {}
    for row in tree.values():
        if row.parent_uuid is not None:
            children.setdefault(row.parent_uuid, []).append(row.uuid)
    found, todo = {uuid}, [uuid]
    while todo:
        for child in children.get(todo.pop(), ()):
            found.add(child)
            todo.append(child)
    return found


def delete(placement: Placement, uuid: str) -> None:
    """Also what it offers and carries. Raises NotFound, or Conflict while it has children or allocations."""
    with placement.db.write() as connection:
        try:
            lock(connection, uuid)
        except NotFound:
            raise NotFound(f"No resource provider with uuid {uuid} found for delete") from None
        if connection.execute(sa.select(providers.c.uuid).where(providers.c.parent_uuid == uuid).limit(1)).first():
            raise conflict(
                f"Unable to delete parent resource provider {uuid}: It has child resource providers.",
                errors.CANNOT_DELETE_PARENT,
            )
        in_use = sa.select(inventories.c.used).where(inventories.c.provider_uuid == uuid, inventories.c.used > 0)
        if connection.execute(in_use.limit(1)).first():
            raise conflict(
                f"Unable to delete resource provider {uuid}: Resource provider has allocations.",
                errors.PROVIDER_IN_USE,
            )
        for table in (inventories, provider_traits, provider_aggregates):
            connection.execute(sa.delete(table).where(table.c.provider_uuid == uuid))
        changes.count_deleted(connection, uuid)
        connection.execute(sa.delete(providers).where(providers.c.uuid == uuid))
