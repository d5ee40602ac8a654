"""JsonFilter: the hint `query`, a condition over a pool's facts as JSON lists (Block Storage: scheduler filters).

    ["and", [">=", "$free_capacity_gb", 100], ["=", "$volume_backend_name", "ssd"]]

An operator comes first, then its arguments; `$name.part` is what the pool reports under that name.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cumulet.volume.domain.pools import Pool
from cumulet.volume.service import Volume

if TYPE_CHECKING:
    from cumulet.volume.scheduling.choice import Wish

LOG = logging.getLogger(__name__)
_LONGEST: Final = 4096
_DEEPEST: Final = 32


class BadQuery(ValueError):
    """It cannot be read."""


def json_filter(volume: Volume, pool: Pool, wish: Wish) -> bool:
    """Without the hint every pool passes; with one that cannot be read, none."""
    if wish.query is None:
        return True
    from cumulet.volume.scheduling.filters import shown_capabilities

    try:
        return fits(wish.query, shown_capabilities(pool))
    except BadQuery as error:
        LOG.warning("the hint `query` of a volume: %s", error)
        return False


def fits(text: str, facts: dict[str, Any]) -> bool:
    """Raises BadQuery."""
    if len(text) > _LONGEST:
        raise BadQuery("it is too long")
    try:
        query = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadQuery(f"it is no JSON: {error}") from None
    return not query or _truth(_value(query, facts, 0))


def _truth(value: Any) -> bool:
    return any(value) if isinstance(value, list) else bool(value)


def _value(part: Any, facts: dict[str, Any], depth: int) -> Any:
    """A list is an operation, a text that starts with `$` a fact (None: there is none), all else itself."""
    if isinstance(part, str) and part.startswith("$"):
        return _fact(part[1:], facts)
    if not isinstance(part, list):
        return part
    if depth >= _DEEPEST:
        raise BadQuery("it is nested too deeply")
    if not part or not isinstance(part[0], str) or part[0] not in _OPERATORS:
        raise BadQuery(f"a list begins with one of {', '.join(_OPERATORS)}")
    arguments = [_value(each, facts, depth + 1) for each in part[1:]]
    if not arguments:
        raise BadQuery(f"{part[0]} has no arguments")
    return _OPERATORS[part[0]](arguments)


def _fact(name: str, facts: dict[str, Any]) -> Any:
    value: Any = facts
    for each in name.split("."):
        value = value.get(each) if isinstance(value, dict) else None
    return value


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[list[Any]], bool]:
    """The first with each of the others."""

    def run(arguments: list[Any]) -> bool:
        first, *others = arguments
        try:
            return bool(others) and all(compare(first, other) for other in others)
        except TypeError:
            return False  # what is not there, or of another kind, compares with nothing

    return run


def _none_of(arguments: list[Any]) -> list[bool]:
    return [not _truth(each) for each in arguments]


_OPERATORS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "=": _compared(operator.eq),
    "<": _compared(operator.lt),
    ">": _compared(operator.gt),
    "<=": _compared(operator.le),
    ">=": _compared(operator.ge),
    "in": lambda arguments: arguments[0] in arguments[1:],
    "not": _none_of,
    "or": lambda arguments: any(_truth(each) for each in arguments),
    "and": lambda arguments: all(_truth(each) for each in arguments),
}
