"""The query string of `GET /v2/images` (Image API v2, List images): paging, sorting, and filters with operators."""

from __future__ import annotations

import re
from typing import NamedTuple

from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
VISIBILITIES = ("community", "public", "private", "shared", "all")
MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
_BY_OPERATOR = ("name", "id", "status", "container_format", "disk_format")
_TIMES = ("created_at", "updated_at")
_RANGES = ("size", "min_disk", "min_ram", "virtual_size")
_EXACT = ("owner", "checksum", "os_hash_value", "os_hash_algo")
_NUMBERS = ("size", "virtual_size", "min_disk", "min_ram")
_BOOLEANS = ("protected", "os_hidden")
_MOST_PROPERTIES = 64
_MOST_TAGS = 64
_COMPARISONS = ("gt", "gte", "lt", "lte", "eq", "neq")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)",?|([^,]+),?|,')


class Filter(NamedTuple):
    """`operator` is one of eq, neq, gt, gte, lt, lte, in; `value` a list of text for `in`."""

    column: str
    operator: str
    value: str | int | bool | list[str]


class ListQuery(NamedTuple):
    limit: int | None
    marker: str | None
    sort: tuple[tuple[str, str], ...]  # (column, "asc" or "desc")
    visibility: str | None
    member_status: str
    filters: tuple[Filter, ...]
    tags: tuple[str, ...]
    properties: tuple[tuple[str, str], ...]


def parse(query: dict[str, list[str]]) -> ListQuery:
    """Raises BadRequest with the original's sentences."""
    given = dict(query)
    limit = _limit(given.pop("limit", None))
    marker = _last(given.pop("marker", None))
    member_status = given.pop("member_status", ["accepted"])[-1]
    if member_status not in MEMBER_STATUSES:
        raise BadRequest(f"Invalid status: {member_status}")
    tags = tuple(tag.strip() for tag in given.pop("tag", ()))
    if len(tags) > _MOST_TAGS:
        raise BadRequest(f"At most {_MOST_TAGS} tags can be filtered by at once.")
    sort = _sort(given)
    visibility = _last(given.pop("visibility", None)) or None
    if visibility is not None and visibility not in VISIBILITIES:
        raise BadRequest(f"Invalid visibility value: {visibility}")
    if given.get("changes-since", [""])[-1]:
        raise BadRequest('The "changes-since" filter is no longer available on v2.')
    filters, properties = _filters(given)
    return ListQuery(limit, marker, sort, visibility, member_status, filters, tags, properties)


def _last(values: list[str] | None) -> str | None:
    return values[-1] if values else None


def _limit(values: list[str] | None) -> int | None:
    if values is None:
        return None
    try:
        limit = int(values[-1])
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return limit


def _sort(given: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    keys, directions = given.pop("sort_key", []), given.pop("sort_dir", [])
    if "sort" in given:
        if keys or directions:
            raise BadRequest("Old and new sorting syntax cannot be combined")
        parts = [part.partition(":") for part in given.pop("sort")[-1].strip().split(",")]
        keys = [key for key, _, _ in parts]
        directions = [direction or "desc" for _, _, direction in parts]
    keys, directions = [key.strip() for key in keys], [direction.strip() for direction in directions]
    for key in keys:
        if key not in SORT_KEYS:
            raise BadRequest(f"Invalid sort key: {key}. It must be one of the following: {', '.join(SORT_KEYS)}.")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort direction: {direction}")
    if len(directions) > 1 and len(directions) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys")
    keys = keys or ["created_at"]
    default = directions[0] if len(directions) == 1 else "desc"
    if len(directions) != len(keys):
        directions = [default] * len(keys)
    order = dict(zip(keys, directions, strict=True))
    # The last keys make the order total, so that paging neither loses nor repeats an image.
    for key in ("created_at", "id"):
        order.setdefault(key, default)
    return tuple(order.items())


def _filters(given: dict[str, list[str]]) -> tuple[tuple[Filter, ...], tuple[tuple[str, str], ...]]:
    filters: list[Filter] = []
    properties: list[tuple[str, str]] = []
    hidden = given.pop("os_hidden", ["false"])[-1].lower()
    filters.append(_boolean("os_hidden", hidden))
    for name, values in given.items():
        value = values[-1]
        column, _, bound = name.rpartition("_")
        if bound in ("min", "max") and column in _RANGES:
            filters.append(Filter(column, "gte" if bound == "min" else "lte", _number(value)))
        elif name in _TIMES:
            filters.append(_time(name, value))
        elif name in _BY_OPERATOR:
            filters.append(_operator(name, value))
        elif name in _BOOLEANS:
            filters.append(_boolean(name, value))
        elif name in _NUMBERS:
            filters.append(Filter(name, "eq", _equal_number(name, value)))
        elif name in _EXACT:
            filters.append(Filter(name, "eq", value))
        else:
            properties.append((name, value))
    if len(properties) > _MOST_PROPERTIES:
        raise BadRequest(f"At most {_MOST_PROPERTIES} properties can be filtered by at once.")
    return tuple(filters), tuple(properties)


def _boolean(name: str, value: str) -> Filter:
    if value not in ("true", "false"):
        raise BadRequest(f"Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'.")
    return Filter(name, "eq", value == "true")


def _number(value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise BadRequest("Unable to filter on a range with a non-numeric value.") from None
    # What no column can hold compares like the largest that it can.
    return max(-(1 << 63), min(number, (1 << 63) - 1))


def _equal_number(name: str, value: str) -> int:
    try:
        return _number(value)
    except BadRequest:
        raise BadRequest(f"Invalid value '{value}' for '{name}' filter. It must be an integer.") from None


def _operator(name: str, expression: str) -> Filter:
    operator, colon, value = expression.partition(":")
    if not colon:
        return Filter(name, "eq", expression)
    if operator == "in":
        return Filter(name, "in", _values(value))
    if operator == "eq":
        return Filter(name, "eq", value)
    raise BadRequest(f"Unable to filter by unknown operator '{operator}'.")


def _time(name: str, expression: str) -> Filter:
    operator, value = "eq", expression
    moment = _moment(expression)
    if moment is None:
        operator, _, value = expression.partition(":")
        moment = _moment(value)
    if moment is None:
        raise BadRequest(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.')
    if operator not in _COMPARISONS:
        raise BadRequest("Unable to filter on a unknown operator.")
    return Filter(name, operator, moment)


def _moment(text: str) -> int | None:
    # A plus in a query string that was not escaped arrives as a space.
    try:
        return clock.parse(text.replace(" ", "+"))
    except ValueError:
        return None


def _values(text: str) -> list[str]:
    """`a,"b,c"` as the API working group's quoting has it."""
    _check_quotes(text)
    return [match[1] if match[1] is not None else match[2] or "" for match in _QUOTED.finditer(text)]


def _check_quotes(text: str) -> None:
    inside = False
    for index, character in enumerate(text):
        if character != '"' or (index and text[index - 1] == "\\"):
            continue
        if not inside and index and text[index - 1] != ",":
            raise BadRequest(f"Invalid filter value {text}. There is no comma before opening quotation mark.")
        if inside and index + 1 != len(text) and text[index + 1] != ",":
            raise BadRequest(f"Invalid filter value {text}. There is no comma after closing quotation mark.")
        inside = not inside
    if inside:
        raise BadRequest(f"Invalid filter value {text}. The quote is not closed.")
