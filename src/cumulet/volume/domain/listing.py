"""One page of a table: conditions, sorting by any columns, a marker, an offset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import ApiError

Condition = sa.ColumnElement[bool]
_LIKE = {ord(char): f"\\{char}" for char in "\\%_"}


@dataclass
class Wanted:
    """A page: `sort` are (key, descending); `filters` by name, values as the client wrote them or what they spell."""

    limit: int
    offset: int = 0
    marker: str | None = None
    sort: list[tuple[str, bool]] = field(default_factory=lambda: [("created_at", True)])
    filters: dict[str, Any] = field(default_factory=dict)
    with_count: bool = False
    nothing: bool = False  # a filter was given that no row can pass


def page(
    connection: Connection,
    table: sa.Table,
    conditions: list[Condition],
    wanted: Wanted,
    *,
    sorts: Mapping[str, sa.Column[Any]],
    unknown_marker: Callable[[str], ApiError],
    columns: Sequence[sa.Column[Any]] | None = None,
) -> list[Row[Any]]:
    """At most `wanted.limit` rows, of all columns or of these.

    Raises what `unknown_marker` makes of a marker that is no row's id.
    """
    if wanted.limit == 0:
        return []
    order = _order(table, wanted, sorts)
    query = (sa.select(table) if columns is None else sa.select(*columns)).where(*conditions)
    if wanted.marker is not None:
        query = query.where(_beyond(connection, table, order, wanted.marker, unknown_marker))
    query = query.order_by(*(expression.desc() if descending else expression.asc() for expression, descending in order))
    query = query.limit(wanted.limit)
    if wanted.offset:
        query = query.offset(wanted.offset)
    return list(connection.execute(query).all())


def count(connection: Connection, table: sa.Table, conditions: list[Condition]) -> int:
    """How many rows there are, whatever page is looked at."""
    query = sa.select(sa.func.count()).select_from(table).where(*conditions)
    return int(connection.execute(query).scalar_one())


Order = list[tuple[sa.ColumnElement[Any], bool]]


def _order(table: sa.Table, wanted: Wanted, sorts: Mapping[str, sa.Column[Any]]) -> Order:
    found: Order = []
    for key, descending in wanted.sort:
        column = sorts[key]
        if not column.nullable:
            found.append((column, descending))
        else:
            # Rows without a value come first going up, on every database.
            nothing: Any = "" if isinstance(column.type, sa.String | sa.Text) else -1
            found.append((sa.func.coalesce(column, nothing), descending))
    if all(key != "id" for key, _ in wanted.sort):
        found.append((table.c.id, wanted.sort[-1][1] if wanted.sort else True))
    return found


def _beyond(
    connection: Connection,
    table: sa.Table,
    order: Order,
    marker: str,
    unknown_marker: Callable[[str], ApiError],
) -> Condition:
    at = connection.execute(sa.select(*(each for each, _ in order)).where(table.c.id == marker)).first()
    if at is None:
        raise unknown_marker(marker)
    ways = []
    for index, (expression, descending) in enumerate(order):
        same = [order[before][0] == at[before] for before in range(index)]
        further = expression < at[index] if descending else expression > at[index]
        ways.append(sa.and_(*same, further))
    return sa.or_(*ways)


def equals(column: sa.Column[Any], value: Any) -> Condition:
    """Equal to a value, or to one of several; None is what has none."""
    if value is None:
        return column.is_(None)
    if isinstance(value, list | tuple | set):
        return column.in_([str(one) for one in value])
    return column == str(value)


def like(column: sa.Column[Any], value: Any) -> Condition:
    """Holds a text somewhere (3.34: `name~=part`)."""
    return column.like(f"%{str(value).translate(_LIKE)}%", escape="\\")
