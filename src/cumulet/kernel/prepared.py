"""SELECTs that are asked at every request, made ready once.

SQLAlchemy needs 40 microseconds to run a SELECT that it has compiled before, and SQLite 16 for one row. So on SQLite
the text goes straight to the driver. On a database server, where a round trip costs more than that and SQLAlchemy knows
which errors mean a lost connection, it runs as any other.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
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

    def row_of(self, values: tuple[Any, ...]) -> Any:
        if not self.columns:
            return self.make(values)
        read = list(values)
        for index, process in self.columns:
            read[index] = process(read[index])
        return self.make(read)


class Prepared:
    """One SELECT of which every value is named (`sa.bindparam`) and is text or a number."""

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement

    def first(self, connection: Connection, values: dict[str, Any]) -> Any:
        """A tuple whose members also go by the names of their columns, None where there is no row."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).first()
        found = self._read(connection, values)
        return found[0] if found else None

    def all(self, connection: Connection, values: dict[str, Any] | None = None) -> Sequence[Any]:
        """Tuples as `first` gives one."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).all()
        return self._read(connection, values or {})

    def _read(self, connection: Connection, values: dict[str, Any]) -> list[Any]:
        ready = self._ready
        cursor: Any = connection.connection.cursor()
        try:
            rows = cursor.execute(ready.text, [values[name] for name in ready.names]).fetchall()
        finally:
            cursor.close()
        return [ready.row_of(row) for row in rows]

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
