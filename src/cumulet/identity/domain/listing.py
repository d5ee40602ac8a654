"""Lists of Identity: filters, pages and markers, every statement built once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.errors import NotFound


@dataclass(frozen=True)
class Window:
    """Which part of a list is wanted: at most `size` rows (None: all) with ids after `marker`."""

    size: int | None = None
    marker: str | None = None


ALL = Window()


@dataclass(frozen=True)
class Page:
    """Rows in the order of their ids, and whether there are more."""

    rows: list[Any]
    truncated: bool
    window: Window = ALL


def text_filters(name: str, column: sa.ColumnElement[str]) -> dict[str, sa.ColumnElement[bool]]:
    """The inexact comparisons of the Identity API (`name__icontains`…), the same on every database.

    Case is ignored as the database lowers text: on SQLite that is ASCII's letters only.
    """
    filters: dict[str, sa.ColumnElement[bool]] = {}
    for prefix, text in (("", column), ("i", sa.func.lower(column))):
        wanted = {kind: f"{name}__{prefix}{kind}" for kind in ("contains", "startswith", "endswith")}
        values: dict[str, sa.ColumnElement[str]] = {
            kind: sa.bindparam(key, type_=sa.String) for kind, key in wanted.items()
        }
        if prefix:
            values = {kind: sa.func.lower(value) for kind, value in values.items()}
        length = sa.func.char_length
        # LIKE minds case on some databases and not on others; these functions mean the same on all.
        filters[wanted["contains"]] = sa.func.replace(text, values["contains"], "") != text
        start, end = values["startswith"], values["endswith"]
        filters[wanted["startswith"]] = sa.func.substr(text, 1, length(start)) == start
        filters[wanted["endswith"]] = sa.and_(
            length(text) >= length(end), sa.func.substr(text, length(text) - length(end) + 1, length(end)) == end
        )
    return filters


class Listing:
    """One kind of list: a select, the id its rows are sorted by, and what they may be filtered by.

    `filters` are conditions on bound parameters; a parameter has the name of its filter.
    """

    def __init__(
        self,
        select: sa.Select[Any],
        id_column: sa.Column[str],
        filters: Mapping[str, sa.ColumnElement[bool]],
    ) -> None:
        self._select = select.order_by(id_column)
        self._id = id_column
        self._filters = filters
        self._known = sa.select(id_column).where(id_column == sa.bindparam("marker"))
        self._statements: dict[tuple[tuple[str, ...], bool, bool], sa.Select[Any]] = {}

    def statement(self, names: Iterable[str], *, marked: bool = False, sized: bool = False) -> sa.Select[Any]:
        key = (tuple(sorted(names)), marked, sized)
        statement = self._statements.get(key)
        if statement is None:
            statement = self._select.where(*(self._filters[name] for name in key[0]))
            if marked:
                statement = statement.where(self._id > sa.bindparam("marker"))
            if sized:
                statement = statement.limit(sa.bindparam("size", type_=sa.Integer))
            self._statements[key] = statement
        return statement

    def page(
        self, connection: Connection, names: Iterable[str], values: Mapping[str, Any], window: Window = ALL
    ) -> Page:
        """The rows that meet all filters of `names`. Raises NotFound for a marker that is no row's id."""
        parameters = dict(values)
        if window.marker is not None:
            parameters["marker"] = window.marker
            if connection.execute(self._known, {"marker": window.marker}).first() is None:
                raise NotFound(f"Marker {window.marker} could not be found.")
        if window.size is not None:
            parameters["size"] = window.size + 1
        statement = self.statement(names, marked=window.marker is not None, sized=window.size is not None)
        rows: list[Any] = list(connection.execute(statement, parameters).fetchall())
        truncated = window.size is not None and len(rows) > window.size
        return Page(rows[: window.size] if truncated else rows, truncated, window)
