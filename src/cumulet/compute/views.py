"""How Compute's answers look: self and bookmark links, pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from cumulet.compute.bodies import unexpected
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call

_STRICT_SINCE = (2, 75)


def base_url(call: Call[Compute]) -> str:
    return str(call.service.conf.api.compute_link_prefix or call.base_url).rstrip("/")


def links(call: Call[Compute], path: str) -> list[dict[str, str]]:
    return links_at(base_url(call), path)


def links_at(base: str, path: str) -> list[dict[str, str]]:
    """`self` under the API's version, `bookmark` without it."""
    return [{"rel": "self", "href": f"{base}/v2.1/{path}"}, {"rel": "bookmark", "href": f"{base}/{path}"}]


def page(call: Call[Compute]) -> tuple[int, str | None]:
    """(limit, marker) of a list request; the limit is at most `[api] max_limit`. Raises BadRequest."""
    query = call.query()
    maximum = call.service.conf.api.max_limit
    text = (query.get("limit") or [""])[-1]
    if "limit" in query and not text:
        raise BadRequest("Invalid input for query parameters limit. Value: . '' should be non-empty")
    if text and (not text.isdigit() or len(text) > 10):
        raise BadRequest(f"Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'")
    limit = min(int(text), maximum) if text else maximum
    return limit, last(query, "marker") or None


def next_links(call: Call[Compute], path: str, last_id: str) -> list[dict[str, str]]:
    """The `next` link of a page that has more behind it."""
    query = [(key, value) for key, values in call.query().items() if key != "marker" for value in values]
    return [{"rel": "next", "href": f"{base_url(call)}/v2.1/{path}?{urlencode([*query, ('marker', last_id)])}"}]


def last(query: Mapping[str, Sequence[str]], key: str) -> str | None:
    """The value of a key that is given once; of one that is given more often, the last."""
    values = query.get(key)
    return values[-1] if values else None


def moment(call: Call[Compute], key: str, since: tuple[int, int]) -> int | None:
    """A time in the query, in microseconds. Raises BadRequest for a malformed one, and before the microversion."""
    text = last(call.query(), key)
    if text is None:
        return None
    if call.version < since:
        raise BadRequest(unexpected(key))
    try:
        return clock.parse(text)
    except ValueError:
        raise BadRequest(
            f"Invalid input for query parameters {key}. Value: {text}. '{text}' is not a 'date-time'"
        ) from None


def require_known(call: Call[Compute], allowed: Iterable[str], *, since: tuple[int, int] = _STRICT_SINCE) -> None:
    """Raises BadRequest for a query key that is not one of these, from microversion 2.75 on."""
    if call.version < since:
        return
    unknown = sorted(set(call.query()) - set(allowed))
    if unknown:
        raise BadRequest(unexpected(*unknown))
