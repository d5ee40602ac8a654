"""Lists as Neutron's clients ask for them: filters with several values, fields, sorting, marker paging both ways.

One list is one query on the noun's table: what hangs on a row is kept as ready JSON in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.context import Context
from cumulet.network.attributes import Attribute
from cumulet.network.domain.source import Condition, Source, Thing, seen_as, sees_everything
from cumulet.network.errors import bad_request, invalid_input

_CONTROL = {"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"}
Query = Mapping[str, list[str]]


@dataclass
class Asked:
    """A list request: conditions, order, window and the fields to show (empty: all)."""

    conditions: list[Condition]
    order: list[tuple[str, bool]]  # attribute, descending
    limit: int | None
    marker: str | None
    reverse: bool
    fields: frozenset[str]


def asked(source: Source, attributes: Mapping[str, Attribute], query: Query, maximum: int) -> Asked:
    """Reads a query; a page has at most `maximum` rows (0: no bound).

    Raises BadRequest for an attribute that cannot be filtered or sorted by.
    """
    conditions: list[Condition] = []
    unknown: list[str] = []
    for key, values in query.items():
        if key in _CONTROL:
            continue
        condition = _condition(source, attributes, key, values)
        if condition is None:
            unknown.append(key)
        else:
            conditions.append(condition)
    if unknown:
        raise bad_request(f"{sorted(unknown)} is invalid attribute for filtering")
    return Asked(
        conditions=conditions,
        order=_order(source, attributes, query),
        limit=_limit(query, maximum),
        marker=_last(query, "marker") or None,
        reverse=(_last(query, "page_reverse") or "").lower() in ("true", "1"),
        fields=fields_of(query),
    )


def fields_of(query: Query) -> frozenset[str]:
    """The attributes a client wants to see; empty for all."""
    return frozenset(name for value in query.get("fields", ()) for name in value.split(",") if name)


def _last(query: Query, key: str) -> str | None:
    values = query.get(key)
    return values[-1] if values else None


def _condition(source: Source, attributes: Mapping[str, Attribute], key: str, values: list[str]) -> Condition | None:
    custom = source.filters.get(key)
    if custom is not None:
        return custom(values)
    attribute = attributes.get(key)
    column = source.column(key)
    if attribute is None or not attribute.filter or column is None:
        return None
    return matches(column, key, values)


def matches(column: sa.ColumnElement[Any], key: str, values: list[str]) -> Condition:
    """Rows whose column has one of the values, as a query string writes them."""
    if isinstance(column.type, sa.Boolean):
        return column.in_({truth(value) for value in values})
    if isinstance(column.type, sa.Integer):
        numbers = [int(value) for value in values if _is_number(value)]
        return column.in_(numbers)
    given = [value for value in values if value]
    if len(given) == len(values):
        return column == given[0] if len(given) == 1 else column.in_(given)
    return sa.or_(column.is_(None), column == "", column.in_(given))


def _is_number(value: str) -> bool:
    digits = value.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 10


def truth(value: str) -> bool:
    """A boolean of a query string. Raises BadRequest."""
    if value.lower() in ("true", "1", "yes", "on", "t", "y"):
        return True
    if value.lower() in ("false", "0", "no", "off", "f", "n"):
        return False
    raise invalid_input(f"'{value}' cannot be converted to boolean")


def _order(source: Source, attributes: Mapping[str, Attribute], query: Query) -> list[tuple[str, bool]]:
    keys, directions = query.get("sort_key", []), query.get("sort_dir", [])
    if len(directions) != len(keys):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    order = []
    for key, direction in zip(keys, directions, strict=True):
        if direction not in ("asc", "desc"):
            raise bad_request(f"['{direction}'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
        attribute = attributes.get(key)
        if attribute is None or not attribute.sort or source.column(key) is None:
            raise bad_request(f"['{key}'] is invalid attribute for sort keys")
        order.append((key, direction == "desc"))
    return order


def _limit(query: Query, maximum: int) -> int | None:
    value = _last(query, "limit")
    if not value:
        return maximum or None
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise bad_request(f"Bad limit request: Limit must be an integer 0 or greater and not '{value}'.", "BadRequest")
    limit = int(value)
    if maximum and (limit == 0 or limit > maximum):
        return maximum
    return limit or None


def page(
    connection: Connection, source: Source, ctx: Context, request: Asked, names: Iterable[str] | None = None
) -> list[Thing]:
    """The things of one page in the order asked for.

    `names` are the attributes to read (None: all); the id is always among them.
    """
    layout = source.layout(None if names is None else {*names, "id"})
    query = sa.select(*layout.columns)
    if source.restricted is not None:
        query = query.where(source.restricted)
    narrowed = source.visible is not None and not sees_everything(ctx)
    if narrowed:
        assert source.visible is not None
        query = query.where(source.visible)
    for condition in request.conditions:
        query = query.where(condition)
    order = _complete(request)
    if request.marker is not None:
        query = query.where(_beyond(connection, source, request.marker, order))
    for key, descending in order:
        query = query.order_by(*_sorted_by(_column(source, key), descending))
    if request.limit is not None:
        query = query.limit(request.limit)
    things = layout.things(connection.execute(query, seen_as(ctx) if narrowed else {}))
    return things[::-1] if request.reverse else things


def _complete(request: Asked) -> list[tuple[str, bool]]:
    """The order that tells any two rows apart, where pages need one; a whole list is read as it lies."""
    order = [*request.order]
    if (order or request.limit is not None or request.marker is not None) and "id" not in dict(order):
        order.append(("id", False))
    return [(key, not descending) for key, descending in order] if request.reverse else order


def _sorted_by(column: sa.ColumnElement[Any], descending: bool) -> list[sa.ColumnElement[Any]]:
    """NULL first, as SQLite and MariaDB have it; PostgreSQL has it last."""
    parts = [column.is_not(None), column] if getattr(column, "nullable", False) else [column]
    return [part.desc() if descending else part.asc() for part in parts]


def _column(source: Source, key: str) -> sa.ColumnElement[Any]:
    column = source.column(key)
    assert column is not None
    return column


def _beyond(connection: Connection, source: Source, marker: str, order: list[tuple[str, bool]]) -> Condition:
    """Rows after the marker's: lexicographic comparison over the sort keys, NULL being the smallest."""
    columns = [_column(source, key) for key, _ in order]
    row = connection.execute(sa.select(*columns).where(source.table.c.id == marker)).first()
    if row is None:
        raise source.missing(marker)
    alternatives: list[Condition] = []
    equal: list[Condition] = []
    for (_, descending), column, value in zip(order, columns, row, strict=True):
        if value is None:
            alternatives.append(sa.and_(*equal, column.is_not(None)) if not descending else sa.false())
            equal.append(column.is_(None))
            continue
        beyond = sa.or_(column < value, column.is_(None)) if descending else column > value
        alternatives.append(sa.and_(*equal, beyond))
        equal.append(column == value)
    return sa.or_(*alternatives)


def links(url: str, query: Query, ids: list[str], request: Asked) -> Any:
    """`<plural>_links` of a page, only when a limit was given: `next` and `previous`, but for the end that a page with
    fewer rows than were asked for has come to."""
    if request.limit is None or not query.get("limit") or not ids:
        return None
    at_end = len(ids) < request.limit
    base = [(key, value) for key, values in query.items() if key not in ("marker", "page_reverse") for value in values]
    found = []
    if request.reverse or not at_end:
        found.append({"rel": "next", "href": f"{url}?{urlencode([*base, ('marker', ids[-1])])}"})
    if not request.reverse or not at_end:
        reverse = [*base, ("marker", ids[0]), ("page_reverse", "True")]
        found.append({"rel": "previous", "href": f"{url}?{urlencode(reverse)}"})
    return found
