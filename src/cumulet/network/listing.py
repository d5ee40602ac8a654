"""Lists as Neutron's clients ask for them: filters with several values, fields, sorting, marker paging both ways.

A noun describes itself with a `Collection`; `page()` answers one list request with one query on the noun's table
(children are kept as ready JSON in its rows).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.network.attributes import Attribute
from cumulet.network.errors import bad_request

Condition = sa.ColumnElement[bool]
_CONTROL = {"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"}


@dataclass(frozen=True)
class Collection:
    """One noun's list: `visible(ctx)` is the condition for rows a caller may see (None: all of them); `filters` are
    conditions for keys that are not simply a column; `view` makes a row the JSON object of all its attributes."""

    name: str
    plural: str
    attributes: Mapping[str, Attribute]
    table: sa.Table
    view: Callable[[Row[Any]], dict[str, Any]]
    visible: Callable[[Context], Condition | None]
    columns: Mapping[str, sa.ColumnElement[Any]] = field(default_factory=dict)
    filters: Mapping[str, Callable[[list[str]], Condition]] = field(default_factory=dict)
    maximum: int = 0  # the most rows a page has; 0: no bound

    def column(self, key: str) -> sa.ColumnElement[Any] | None:
        if key == "tenant_id":
            key = "project_id"
        if key in self.columns:
            return self.columns[key]
        return self.table.c.get(key)


@dataclass
class Asked:
    """A list request: conditions, order, window and the fields to show (empty: all)."""

    conditions: list[Condition]
    order: list[tuple[str, bool]]  # attribute, descending
    limit: int | None
    marker: str | None
    reverse: bool
    fields: list[str]


def asked(collection: Collection, query: Mapping[str, list[str]]) -> Asked:
    """Reads a query. Raises BadRequest for an attribute that cannot be filtered or sorted by."""
    conditions: list[Condition] = []
    unknown: list[str] = []
    for key, values in query.items():
        if key in _CONTROL:
            continue
        condition = _condition(collection, key, values)
        if condition is None:
            unknown.append(key)
        else:
            conditions.append(condition)
    if unknown:
        raise bad_request(f"{sorted(unknown)} is invalid attribute for filtering")
    fields = [name for value in query.get("fields", ()) for name in value.split(",") if name]
    return Asked(
        conditions=conditions,
        order=_order(collection, query),
        limit=_limit(collection, query),
        marker=_last(query, "marker") or None,
        reverse=(_last(query, "page_reverse") or "").lower() in ("true", "1"),
        fields=fields,
    )


def _last(query: Mapping[str, list[str]], key: str) -> str | None:
    values = query.get(key)
    return values[-1] if values else None


def _condition(collection: Collection, key: str, values: list[str]) -> Condition | None:
    custom = collection.filters.get(key)
    if custom is not None:
        return custom(values)
    attribute = collection.attributes.get(key)
    column = collection.column(key)
    if attribute is None or not attribute.filter or column is None:
        return None
    return _matches(column, key, values)


def _matches(column: sa.ColumnElement[Any], key: str, values: list[str]) -> Condition:
    if isinstance(column.type, sa.Boolean):
        wanted = {_truth(key, value) for value in values}
        return column.in_(wanted)
    if isinstance(column.type, sa.Integer):
        numbers = [int(value) for value in values if value.lstrip("-").isdigit() and len(value) < 19]
        return column.in_(numbers)
    given = [value for value in values if value]
    if len(given) == len(values):
        return column == given[0] if len(given) == 1 else column.in_(given)
    return sa.or_(column.is_(None), column == "", column.in_(given))


def _truth(key: str, value: str) -> bool:
    if value.lower() in ("true", "1", "yes", "on", "t", "y"):
        return True
    if value.lower() in ("false", "0", "no", "off", "f", "n"):
        return False
    raise bad_request(f"Invalid input for {key}. Reason: '{value}' cannot be converted to boolean.")


def _order(collection: Collection, query: Mapping[str, list[str]]) -> list[tuple[str, bool]]:
    keys, directions = query.get("sort_key", []), query.get("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    order = []
    for index, key in enumerate(keys):
        direction = directions[index] if directions else "asc"
        if direction not in ("asc", "desc"):
            raise bad_request(f"The value of sort_dir '{direction}' is not valid: use asc or desc")
        attribute = collection.attributes.get(key)
        if attribute is None or not attribute.sort or collection.column(key) is None:
            raise bad_request(f"['{key}'] is invalid attribute for sort keys")
        order.append((key, direction == "desc"))
    return order


def _limit(collection: Collection, query: Mapping[str, list[str]]) -> int | None:
    value = _last(query, "limit")
    if not value:
        return collection.maximum or None
    if not value.isdigit() or len(value) > 12:
        raise bad_request(f"Limit must be an integer 0 or greater and not '{value}'")
    limit = int(value)
    if collection.maximum and (limit == 0 or limit > collection.maximum):
        return collection.maximum
    return limit or None


def page(
    connection: Connection, collection: Collection, ctx: Context, request: Asked
) -> tuple[Sequence[Row[Any]], bool]:
    """The rows of one page in the order asked for, and whether there are more beyond it."""
    query = sa.select(collection.table)
    visible = collection.visible(ctx)
    if visible is not None:
        query = query.where(visible)
    for condition in request.conditions:
        query = query.where(condition)
    order = [*request.order]
    if not any(key == "id" for key, _ in order):
        order.append(("id", False))
    if request.reverse:
        order = [(key, not descending) for key, descending in order]
    if request.marker is not None:
        query = query.where(_beyond(connection, collection, request.marker, order))
    for key, descending in order:
        column = collection.column(key)
        assert column is not None
        query = query.order_by(column.desc() if descending else column.asc())
    if request.limit is not None:
        query = query.limit(request.limit + 1)
    rows = connection.execute(query).all()
    more = request.limit is not None and len(rows) > request.limit
    if more:
        rows = rows[:-1]
    return (rows[::-1] if request.reverse else rows), more


def _beyond(connection: Connection, collection: Collection, marker: str, order: list[tuple[str, bool]]) -> Condition:
    """Rows after the marker's: lexicographic comparison over the sort keys."""
    row = connection.execute(sa.select(collection.table).where(collection.table.c.id == marker)).first()
    if row is None:
        raise bad_request(f"Invalid input for operation: Marker {marker} could not be found.", "InvalidInput")
    alternatives: list[Condition] = []
    equal: list[Condition] = []
    for key, descending in order:
        column = collection.column(key)
        assert column is not None
        value = connection.execute(sa.select(column).where(collection.table.c.id == marker)).scalar()
        if value is None:
            alternatives.append(sa.and_(*equal, column.is_not(None)) if not descending else sa.false())
            equal.append(column.is_(None))
            continue
        beyond = column < value if descending else column > value
        alternatives.append(sa.and_(*equal, beyond))
        equal.append(column == value)
    return sa.or_(*alternatives)


def links(plural: str, url: str, query: Mapping[str, list[str]], ids: list[str], request: Asked, more: bool) -> Any:
    """`<plural>_links` of a page: `next` and `previous`, only when a limit was given."""
    if request.limit is None or not query.get("limit"):
        return None
    base = [(key, value) for key, values in query.items() if key not in ("marker", "page_reverse") for value in values]
    found = []
    has_next = (more and not request.reverse) or (request.reverse and request.marker is not None)
    has_previous = (request.marker is not None and not request.reverse) or (request.reverse and more)
    if ids and has_next:
        found.append({"rel": "next", "href": f"{url}?{urlencode([*base, ('marker', ids[-1])])}"})
    if ids and has_previous:
        reverse = [*base, ("marker", ids[0]), ("page_reverse", "True")]
        found.append({"rel": "previous", "href": f"{url}?{urlencode(reverse)}"})
    return found or None
