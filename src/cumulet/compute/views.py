"""How Compute's answers look: self and bookmark links, pages."""

from __future__ import annotations

from urllib.parse import urlencode

from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call


def base_url(call: Call[Compute]) -> str:
    return str(call.service.conf.api.compute_link_prefix or call.base_url).rstrip("/")


def links(call: Call[Compute], path: str) -> list[dict[str, str]]:
    """`self` under the API's version, `bookmark` without it."""
    base = base_url(call)
    return [{"rel": "self", "href": f"{base}/v2.1/{path}"}, {"rel": "bookmark", "href": f"{base}/{path}"}]


def page(call: Call[Compute]) -> tuple[int, str | None]:
    """(limit, marker) of a list request; the limit is at most `[api] max_limit`. Raises BadRequest."""
    query = call.query()
    maximum = call.service.conf.api.max_limit
    text = (query.get("limit") or [""])[-1]
    if text and (not text.isdigit() or len(text) > 10):
        raise BadRequest(f"Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'")
    limit = min(int(text), maximum) if text else maximum
    return limit, (query.get("marker") or [None])[-1]  # type: ignore[list-item]


def next_links(call: Call[Compute], path: str, last_id: str) -> list[dict[str, str]]:
    """The `next` link of a page that has more behind it."""
    query = [(key, value) for key, values in call.query().items() if key != "marker" for value in values]
    return [{"rel": "next", "href": f"{base_url(call)}/v2.1/{path}?{urlencode([*query, ('marker', last_id)])}"}]
