"""Lists as clients ask for them: `limit` and `marker`, the operator's `list_limit`, and links to the next page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cumulet.identity import views
from cumulet.identity.domain.listing import Page, Window
from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

Query = Mapping[str, list[str]]
_COMPARATORS = tuple(f"{case}{kind}" for case in ("", "i") for kind in ("contains", "startswith", "endswith"))


def window(call: Call[Identity], query: Query, group: str) -> Window:
    """What part of a list is wanted; `group` (of keystone.conf) may have a `list_limit` of its own.

    A client's `limit` counts up to `max_db_limit`; without one there is no bound but `list_limit`. Raises BadRequest.
    """
    conf = call.service.conf
    own = conf[group].list_limit
    bound: int | None = conf.list_limit if own is None else own
    given = query.get("limit")
    if given is not None:
        size = min(_size(given[-1]), conf.max_db_limit)
        bound = size if bound is None else min(size, bound)
    marker = query.get("marker")
    return Window(bound, marker[-1] if marker else None)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest(f"Invalid input for field 'limit': '{text[:64]}' is not a number of rows.")
    return int(text)


def text_comparisons(query: Query, attribute: str) -> dict[str, str]:
    """The inexact comparisons of an attribute in the query: `{"name__icontains": "web"}`."""
    found = {}
    for comparator in _COMPARATORS:
        key = f"{attribute}__{comparator}"
        values = query.get(key)
        if values and values[-1]:
            found[key] = values[-1]
    return found


def body(call: Call[Identity], name: str, things: list[Any], page: Page) -> dict[str, Any]:
    """`{"<name>": […], "links": …}`, and where rows were left out `truncated` and a link to the next page."""
    answer = views.collection(call, name, things, truncated=page.truncated)
    if page.truncated and page.rows:
        answer["links"]["next"] = _next(call, page)
    return answer


def _next(call: Call[Identity], page: Page) -> str:
    kept = [(key, value) for key, values in call.query().items() for value in values if key not in ("limit", "marker")]
    query = urlencode([*kept, ("limit", str(page.window.size)), ("marker", page.rows[-1][0])])
    return f"{views.self_url(call, call.req.path.removeprefix('/v3/'))}?{query}"
