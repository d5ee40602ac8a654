"""Inexact filters of list queries: `name__icontains=web`, as the Identity API has them.

The rows are in hand when these are asked for, so they are tried here: it costs no query and means the same on every
database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "endswith": lambda value, wanted: value.endswith(wanted),
    "equals": lambda value, wanted: value == wanted,
}


def keep(query: Mapping[str, list[str]], things: list[dict[str, Any]], *attributes: str) -> list[dict[str, Any]]:
    """The things whose `attributes` meet every `attribute__comparator` of the query; `i…` comparators ignore case.

    Comparators that there are not, and attributes not named, are read over.
    """
    for key, values in query.items():
        attribute, separator, comparator = key.partition("__")
        if not separator or attribute not in attributes:
            continue
        compare = _COMPARE.get(comparator)
        ignore_case = compare is None and comparator.startswith("i")
        if ignore_case:
            compare = _COMPARE.get(comparator[1:])
        if compare is None:
            continue
        wanted = values[-1].casefold() if ignore_case else values[-1]
        things = [thing for thing in things if compare(_text(thing.get(attribute), ignore_case), wanted)]
    return things


def _text(value: Any, ignore_case: bool) -> str:
    text = value if isinstance(value, str) else ""
    return text.casefold() if ignore_case else text
