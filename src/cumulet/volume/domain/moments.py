"""Filters on times (3.60): `gt:2016-01-01T00:00:00,lt:2016-02-01T00:00:00`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest

_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
}
_SECOND: Final = 1_000_000


def between(column: sa.Column[Any], text: str) -> sa.ColumnElement[bool]:
    """Raises BadRequest. Times are compared by the second, as they are shown."""
    found = []
    for part in text.split(","):
        name, separator, rest = part.strip().partition(":")
        if not separator or name not in _COMPARE:
            name, rest = "eq", part.strip()
        found.append(_COMPARE[name](column, None) if not rest else _compared(column, name, rest))
    return sa.and_(*found)


def _compared(column: sa.Column[Any], name: str, text: str) -> Any:
    try:
        at = clock.parse(text)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"Invalid input received: filters {column.name} has a time that cannot be read: {text[:64]}"
        ) from None
    if name == "eq":
        return sa.and_(column >= at, column < at + _SECOND)
    if name == "neq":
        return sa.or_(column < at, column >= at + _SECOND)
    return _COMPARE[name](column, at + _SECOND - 1 if name in ("gt", "lte") else at)
