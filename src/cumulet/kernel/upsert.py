"""Inserting a row that may be there already, without an exception that would end the transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.kernel.db import violates_unique


def insert_if_absent(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Whether the row was inserted; False when a unique index has one already, which stays as it is."""
    if connection.dialect.name == "mysql":
        # The driver has rows counted that were found, not only changed ones, so ON DUPLICATE KEY UPDATE would say 1 for
        # both; and a refused row ends only its statement here, not the transaction.
        try:
            connection.execute(sa.insert(table).values(**values))
        except IntegrityError as error:
            if violates_unique(error):
                return False
            raise
        return True
    # Only the dialect in use is loaded: the others are some megabytes of every process.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        # The driver does not keep the count of an INSERT, so the row itself says that it was made.
        on_postgresql = postgresql.insert(table).values(**values).on_conflict_do_nothing()
        return connection.execute(on_postgresql.returning(*table.primary_key.columns)).first() is not None
    from sqlalchemy.dialects import sqlite

    on_sqlite = sqlite.insert(table).values(**values)
    return connection.execute(on_sqlite.on_conflict_do_nothing()).rowcount == 1
