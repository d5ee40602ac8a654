"""The standard names of resource classes and traits, kept in step with the libraries that hold them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import TransactionLost, run_again, violates_unique
from cumulet.placement.domain import changes
from cumulet.placement.domain.names import STANDARD_CLASSES, STANDARD_TRAITS
from cumulet.placement.service import Placement
from cumulet.placement.tables import resource_classes, traits


def sync(placement: Placement) -> None:
    """Add the standard names that the tables lack. Several hosts may do it at once."""
    run_again(lambda: _sync(placement))


def _sync(placement: Placement) -> None:
    try:
        with placement.db.write() as connection:
            now = placement.now()
            added = [
                _add_missing(connection, resource_classes, STANDARD_CLASSES, now),
                _add_missing(connection, traits, STANDARD_TRAITS, now),
            ]
            if any(added):
                changes.count(connection, changes.VOCABULARY)
    except IntegrityError as error:
        if not violates_unique(error):
            raise
        raise TransactionLost("another host added the same names") from error


def _add_missing(connection: Connection, table: sa.Table, standard: dict[str, int] | frozenset[str], now: int) -> bool:
    known = set(connection.execute(sa.select(table.c.name)).scalars())
    missing = sorted(set(standard) - known)
    if missing:
        connection.execute(sa.insert(table), [{"name": name, "updated_at": now} for name in missing])
    return bool(missing)
