"""How Identity's answers look: self links, collections, and attributes it does not know but keeps."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.identity.service import Identity
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call


def self_url(call: Call[Identity], path: str) -> str:
    """`http://host:5000/v3/<path>`, from `[DEFAULT] public_endpoint` or from how the client addressed us."""
    base = call.service.conf.public_endpoint or call.base_url
    return f"{base.rstrip('/')}/v3/{path}"


def with_self(call: Call[Identity], collection: str, thing: dict[str, Any]) -> dict[str, Any]:
    """The thing with its `links`; costs nothing but the string."""
    thing["links"] = {"self": self_url(call, f"{collection}/{thing['id']}")}
    return thing


def collection(
    call: Call[Identity], name: str, things: list[Any], *, truncated: bool = False, group: str | None = None
) -> dict[str, Any]:
    """`{"<name>": […], "links": {"self", "previous", "next"}}`

    With a `group` of keystone.conf the list is cut to its `list_limit`, or else the general one, and says so.
    """
    if group is not None:
        own = call.service.conf[group].list_limit
        bound = call.service.conf.list_limit if own is None else own
        truncated = bound is not None and len(things) > bound
        things = things[:bound] if truncated else things
    body: dict[str, Any] = {name: things, "links": links(call)}
    if truncated:
        body["truncated"] = True
    return body


def links(call: Call[Identity]) -> dict[str, Any]:
    """The links of a whole answer: this request's own URL, and no pages before or after."""
    query = f"?{call.req.query_string}" if call.req.query_string else ""
    return {"self": self_url(call, call.req.path.removeprefix("/v3/")) + query, "previous": None, "next": None}


def check_changes(known: dict[str, Any], extra: dict[str, Any], thing_id: str) -> None:
    """Take `id` out of the attributes of an update. Raises BadRequest for another id, or when nothing is to change."""
    if not known and not extra:
        raise BadRequest("Invalid input: at least one attribute is to be changed, and none is given.")
    if known.pop("id", thing_id) != thing_id:
        raise BadRequest("Cannot change ID")


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
