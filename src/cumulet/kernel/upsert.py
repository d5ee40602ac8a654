"""Inserting a row that may be there already, without an exception that would end the transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection


def insert_if_absent(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Whether the row was inserted; False when a unique index has one already, which stays as it is."""
    if connection.dialect.name == "mysql":
        first = next(iter(table.primary_key.columns))
        on_mariadb = mysql.insert(table).values(**values)
        # Setting a column to itself changes nothing, so the server counts no row; other errors are still raised.
        return connection.execute(on_mariadb.on_duplicate_key_update({first.name: first})).rowcount == 1
    if connection.dialect.name == "postgresql":
        # The driver does not keep the count of an INSERT, so the row itself says that it was made.
        on_postgresql = postgresql.insert(table).values(**values).on_conflict_do_nothing()
        return connection.execute(on_postgresql.returning(*table.primary_key.columns)).first() is not None
    on_sqlite = sqlite.insert(table).values(**values)
    return connection.execute(on_sqlite.on_conflict_do_nothing()).rowcount == 1
