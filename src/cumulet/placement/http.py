"""What all handlers share: reading bodies and queries as Placement does, and the headers of its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, TypeVar

from cumulet.kernel import bodies
from cumulet.kernel.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from cumulet.kernel.http import Call, Reply
from cumulet.placement.schemas.filters import refuse_unknown
from cumulet.placement.service import Placement

T = TypeVar("T")
JSON = "application/json"
_FRESHNESS_SINCE = (1, 15)
_MISSING = re.compile(r"Object missing required field `(.*?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")


def read_body(call: Call[Placement], kind: type[T]) -> T:
    """The JSON body as `kind`. Raises UnsupportedMediaType, or BadRequest naming what is wrong and where."""
    require_json(call)
    try:
        raw = call.raw_json()
    except BadRequest as error:
        raise BadRequest(f"Malformed JSON: {error.message}") from None
    return convert(raw, kind)


def convert(raw: object, kind: type[T]) -> T:
    """A decoded value as `kind`. Raises BadRequest with the words that clients of Placement know."""
    try:
        return bodies.convert(raw, kind)
    except BadRequest as error:
        raise BadRequest(f"JSON does not validate: {phrase(error.message)}") from None


def phrase(message: str) -> str:
    """What is wrong with a body or query, in the words of JSON Schema, which clients of Placement are used to."""
    message = _MISSING.sub(r"'\1' is a required property", message)
    return _UNKNOWN.sub(r"Additional properties are not allowed ('\1' was unexpected)", message)


def require_json(call: Call[Placement]) -> None:
    """Refuse a body of another type; a body without a type at all is malformed."""
    given = call.req.content_type
    if not given:
        if call.req.content_length:
            raise BadRequest("content-type header required when content-length > 0")
        given = "None"
    if given.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType(f"The media type {given} is not supported, use {JSON}")


def require_acceptable(call: Call[Placement]) -> None:
    """Refuse a client that says it cannot read JSON."""
    accept = call.header("Accept")
    if accept and accept != "*/*" and JSON not in accept and not call.req.client_accepts(JSON):
        raise NotAcceptable(f"Only {JSON} is provided")


def read_query(call: Call[Placement], allowed: frozenset[str]) -> dict[str, list[str]]:
    """The query's keys and values. Raises BadRequest for a key that is not in `allowed`."""
    values = call.query() if call.req.query_string else {}
    refuse_unknown(values.keys() - allowed)
    return values


def answer(
    call: Call[Placement],
    body: Any,
    modified_at: int | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A reply; since 1.15 with `Last-Modified` (`modified_at` in microseconds, None for now) and `Cache-Control`."""
    sent = dict(headers or {})
    if call.version >= _FRESHNESS_SINCE:
        sent["Last-Modified"] = http_date(call.service.now() if modified_at is None else modified_at)
        sent["Cache-Control"] = "no-cache"
    return Reply(body, status, sent)


def http_date(at: int) -> str:
    """`Sat, 21 Nov 2026 11:08:06 GMT` from microseconds since 1970."""
    return formatdate(at / 1_000_000, usegmt=True)


def location(call: Call[Placement], path: str) -> dict[str, str]:
    """A `Location` header; absolute, as every released Placement sends it."""
    return {"Location": f"{call.base_url.rstrip('/')}{path}"}


def href(call: Call[Placement], path: str) -> str:
    """A link: the path below where the service is mounted."""
    return f"{call.req.root_path}{path}"
