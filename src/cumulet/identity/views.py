"""How Identity's answers look: self links, collections, and attributes it does not know but keeps."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity.service import Identity
from cumulet.kernel.http import Call


def self_url(call: Call[Identity], path: str) -> str:
    """`http://host:5000/v3/<path>`, from `[DEFAULT] public_endpoint` or from how the client addressed us."""
    base = call.service.conf.public_endpoint or call.base_url
    return f"{base.rstrip('/')}/v3/{path}"


def with_self(call: Call[Identity], collection: str, thing: dict[str, Any]) -> dict[str, Any]:
    """The thing with its `links`; costs nothing but the string."""
    thing["links"] = {"self": self_url(call, f"{collection}/{thing['id']}")}
    return thing


def collection(call: Call[Identity], name: str, things: list[Any], *, truncated: bool = False) -> dict[str, Any]:
    """`{"<name>": […], "links": {"self", "previous", "next"}}`"""
    query = f"?{call.req.query_string}" if call.req.query_string else ""
    body: dict[str, Any] = {
        name: things,
        "links": {"self": self_url(call, call.req.path.removeprefix("/v3/")) + query, "previous": None, "next": None},
    }
    if truncated:
        body["truncated"] = True
    return body


def known_and_extra(
    call: Call[Identity], name: str, body: type[msgspec.Struct]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A body `{"<name>": {…}}` as (the attributes its Struct declares and the client gave, all others).

    Raises BadRequest naming the field. `links` is never kept.
    """
    decoded = getattr(call.json(body), name)
    given = msgspec.structs.asdict(decoded)
    raw = call.raw_json()[name]
    known = {key: value for key, value in given.items() if key in raw}
    extra = {key: value for key, value in raw.items() if key not in given and key != "links"}
    return known, extra
