"""The grammar of list requests: limit, offset, marker, sorting, filters (Block Storage API, Volumes)."""

from __future__ import annotations

import ast
from typing import Any, Final
from urllib.parse import urlencode

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import views
from cumulet.volume.bodies import boolean
from cumulet.volume.domain.listing import Wanted
from cumulet.volume.service import Volume

_PAGING: Final = frozenset(("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count"))
_LARGEST: Final = 2**31 - 1
_LONGEST_LITERAL: Final = 4096


def wanted(call: Call[Volume], *, sorted_by: frozenset[str] | None = None) -> Wanted:
    """What the query asks for. Raises BadRequest. `sorted_by`: the keys that the noun can be sorted by."""
    query = {key: values[-1] for key, values in call.query().items()}
    page = Wanted(limit=_limit(call, query), offset=_number(query, "offset"), marker=query.get("marker"))
    page.sort = _sort(query)
    if sorted_by is not None:
        for key, _ in page.sort:
            if key not in sorted_by:
                raise BadRequest(f"Invalid input received: Invalid sort key {key[:100]}")
    if call.version >= (3, 45):
        page.with_count = boolean(query.get("with_count"), "with_count")
    paging = _PAGING if call.version >= (3, 45) else _PAGING - {"with_count"}
    page.filters = {key: value for key, value in query.items() if key not in paging}
    return page


def _number(query: dict[str, str], name: str) -> int:
    text = query.get(name, "0") or "0"
    if not text.lstrip("-").isdigit() or not text.isascii():
        raise BadRequest(f"{name} param must be an integer")
    if text.startswith("-"):
        raise BadRequest(f"{name} param must be positive")
    if len(text) > 10 or int(text) > _LARGEST:
        raise BadRequest(f"{name} param must be at most {_LARGEST}")
    return int(text)


def _limit(call: Call[Volume], query: dict[str, str]) -> int:
    most = int(call.service.conf.osapi_max_limit)
    return min(_number(query, "limit"), most) if "limit" in query else most


def _sort(query: dict[str, str]) -> list[tuple[str, bool]]:
    given = query.get("sort")
    if given is not None and ("sort_key" in query or "sort_dir" in query):
        raise BadRequest(
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter."
        )
    if given is None:
        return [(query.get("sort_key", "created_at"), _descending(query.get("sort_dir", "desc")))]
    found = []
    for part in given.split(","):
        key, _, direction = part.strip().partition(":")
        found.append((key.strip() or "created_at", _descending(direction.strip() or "desc")))
    if len(found) > 8:
        raise BadRequest("At most 8 sort keys can be given.")
    return found


def _descending(direction: str) -> bool:
    if direction not in ("asc", "desc"):
        raise BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.")
    return direction == "desc"


def literal(text: str) -> Any:
    """What a filter's value spells: `{'a': 'b'}` is a dict, `['x', 'y']` a list, `None` nothing; else the text."""
    if text == "None":
        return None
    if not text or len(text) > _LONGEST_LITERAL or text[0] not in "{[('\"":
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


_ALWAYS: Final = frozenset(("all_tenants", "tenant_id", "project_id", "display_name"))


def only_known(call: Call[Volume], page: Wanted, noun: str, known: frozenset[str], *, older: frozenset[str]) -> None:
    """Keep the filters that count, with what their values spell; drop or refuse the others.

    `known`: what the noun can be filtered by; `older`: what users could filter by before operators decided (3.31).
    From then on users' other filters are refused. Raises BadRequest.
    """
    admin = call.service.is_admin(call.ctx)
    allowed = frozenset(call.service.filters.get(noun, ())) | _ALWAYS
    exact = {key: key.removesuffix("~") for key in page.filters}
    if call.version >= (3, 31) and not admin:
        like = call.version >= (3, 34)
        bad = [key for key, name in exact.items() if name not in allowed or (key != name and not like)]
        if bad:
            raise BadRequest(f"Invalid filters {', '.join(sorted(bad))} are found in query options.")
    usable = known if admin or call.version >= (3, 31) else older | _ALWAYS
    page.nothing = admin and any(name not in known | _ALWAYS for name in exact.values())
    page.filters = {
        key: literal(value)
        for key, value in page.filters.items()
        if exact[key] in known & usable and (key == exact[key] or call.version >= (3, 34))
    }


def reply(
    call: Call[Volume],
    page: Wanted,
    path: str,
    key: str,
    shown: list[dict[str, Any]],
    *,
    links: str | None = None,
    count: int | None = None,
) -> Reply:
    """A page: what is shown under `key`, and the way to the next one when it is full.

    `path`: the list's own, `volumes/detail`; `links`: what the original calls the way on, where it is not `KEY_links`;
    `count`: how many there are on all pages, where that was asked for.
    """
    body: dict[str, Any] = {key: shown}
    if shown and len(shown) >= page.limit:
        query = [(name, value) for name, values in call.query().items() if name != "marker" for value in values]
        text = urlencode([*query, ("marker", shown[-1]["id"])])
        href = f"{views.base_url(call)}/v3{views.path_prefix(call)}/{path}?{text}"
        body[links or f"{key}_links"] = [{"rel": "next", "href": href}]
    if count is not None:
        body["count"] = count
    return Reply(body)
