"""Resource classes: the kinds of things there are inventories of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.placement.domain import changes
from cumulet.placement.domain.names import is_custom, standard_first
from cumulet.placement.service import Placement
from cumulet.placement.tables import inventories, providers, resource_classes

ClassRow = Row[Any]
"""A row of `resource_classes`."""

_NAME: Any = resource_classes.c["name"]


def find(placement: Placement) -> list[ClassRow]:
    """The standard ones in their own order, then the custom ones by name."""
    with placement.db.read() as connection:
        rows = connection.execute(sa.select(resource_classes)).all()
    return sorted(rows, key=lambda row: standard_first(row.name))


def show(placement: Placement, name: str) -> ClassRow:
    """Raises NotFound."""
    with placement.db.read() as connection:
        return _load(connection, name)


def _load(connection: Connection, name: str) -> ClassRow:
    row = connection.execute(sa.select(resource_classes).where(name == _NAME)).first()
    if row is None:
        raise NotFound(f"No such resource class {name}.")
    return row


def create(placement: Placement, name: str) -> bool:
    """Returns whether the class is new."""
    try:
        with placement.db.write() as connection:
            if connection.execute(sa.select(_NAME).where(name == _NAME)).first():
                return False
            connection.execute(sa.insert(resource_classes).values(name=name, updated_at=placement.now()))
            changes.count(connection, changes.VOCABULARY)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        return False
    return True


def rename(placement: Placement, name: str, new_name: str) -> None:
    """With all inventories and allocations of it. Raises NotFound, Conflict, BadRequest for a standard class."""
    try:
        with placement.db.write() as connection:
            _load(connection, name)
            if not is_custom(name):
                raise BadRequest(f"Cannot update standard resource class {name}")
            if new_name == name:
                return
            holders = sorted(_providers_with(connection, name))
            connection.execute(
                sa.update(resource_classes).where(name == _NAME).values(name=new_name, updated_at=placement.now())
            )
            changes.count(connection, changes.VOCABULARY)
            changes.stamp(connection, placement.now(), bumped=(), others=holders)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise Conflict(f"Resource class already exists: {new_name}") from None


def _providers_with(connection: Connection, name: str) -> list[str]:
    """Those that offer the class, locked."""
    offering = sa.select(inventories.c.provider_uuid).where(inventories.c.resource_class == name)
    query = sa.select(providers.c.uuid).where(providers.c.uuid.in_(offering)).order_by(providers.c.uuid)
    return list(connection.execute(query.with_for_update()).scalars())


def delete(placement: Placement, name: str) -> None:
    """Raises NotFound, BadRequest for a standard class, Conflict while there are inventories of it."""
    refusal = "Error in delete resource class: "
    in_use = f"{refusal}Cannot delete resource class {name}. Class is in use in inventory."
    try:
        with placement.db.write() as connection:
            _load(connection, name)
            if not is_custom(name):
                raise BadRequest(f"{refusal}Cannot delete standard resource class {name}.")
            used = sa.select(inventories.c.provider_uuid).where(inventories.c.resource_class == name).limit(1)
            if connection.execute(used).first():
                raise Conflict(in_use)
            connection.execute(sa.delete(resource_classes).where(name == _NAME))
            changes.count(connection, changes.VOCABULARY)
    except IntegrityError:
        raise Conflict(in_use) from None
