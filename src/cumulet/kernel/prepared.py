"""SELECTs that are asked at every request, made ready once.

SQLAlchemy needs 40 microseconds to run a SELECT that it has compiled before, and SQLite 16 for one row. So on SQLite
the text goes straight to the driver. On a database server, where a round trip costs more than that and SQLAlchemy knows
which errors mean a lost connection, it runs as any other.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection


class _Ready(NamedTuple):
    text: str
    names: list[str]  # of the parameters, in their order
    columns: list[tuple[int, Callable[[Any], Any]]]  # those whose values SQLite has in another form, and how to read it
    make: Callable[[Any], Any]


class Prepared:
    """One SELECT of which every value is named (`sa.bindparam`) and is text or a number."""

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement

    def first(self, connection: Connection, values: dict[str, Any]) -> Any:
        """A tuple whose members also go by the names of their columns, None where there is no row."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).first()
        ready = self._ready
        cursor: Any = connection.connection.cursor()
        try:
            row = cursor.execute(ready.text, [values[name] for name in ready.names]).fetchone()
        finally:
            cursor.close()
        if row is None:
            return None
        read = list(row)
        for index, process in ready.columns:
            read[index] = process(read[index])
        return ready.make(read)

    @cached_property
    def _ready(self) -> _Ready:
        dialect = sqlite.dialect()
        compiled = self._statement.compile(dialect=dialect)
        columns = list(self._statement.selected_columns)
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        # The columns are the statement's, which types cannot follow.
        row: Any = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]
        return _Ready(
            str(compiled),
            list(compiled.positiontup or ()),
            [(index, reader) for index, reader in enumerate(readers) if reader is not None],
            row._make,
        )
