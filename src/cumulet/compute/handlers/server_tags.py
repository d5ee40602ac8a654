"""`/v2.1/servers/{id}/tags`, since 2.26 (Compute API, Server tags)."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Final

import msgspec

from cumulet.compute import views
from cumulet.compute.bodies import convert, read
from cumulet.compute.domain import servers
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.servers import Tag, TagsBody
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

_MOST: Final = 50


def _read(call: Call[Compute], server_id: str, verb: str) -> list[str]:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"os-server-tags:{verb}")
    return list(servers.decode(row.tags))


def _change(call: Call[Compute], server_id: str, verb: str, edit: Callable[[list[str]], list[str]]) -> list[str]:
    with call.service.db.write() as connection:
        row = server_access.load(call, connection, server_id, f"os-server-tags:{verb}", lock=True)
        tags = edit(list(servers.decode(row.tags)))
        servers.set_tags(call.service, connection, row.id, tags)
    return tags


def index(call: Call[Compute], server_id: str) -> Reply:
    return Reply({"tags": _read(call, server_id, "index")})


def show(call: Call[Compute], server_id: str, tag: str) -> Reply:
    if tag not in _read(call, server_id, "show"):
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    return NO_CONTENT


def replace(call: Call[Compute], server_id: str) -> Reply:
    given = list(dict.fromkeys(read(call, TagsBody).tags))
    return Reply({"tags": _change(call, server_id, "update_all", lambda tags: given)})


def add(call: Call[Compute], server_id: str, tag: str) -> Reply:
    if call.req.content_length:
        convert(call.raw_json(), NoneType)
    try:
        msgspec.convert(tag, Tag)
    except msgspec.ValidationError as error:
        raise BadRequest(
            f"Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. Validation error "
            f"message: {error}"
        ) from None
    new = False

    def with_it(tags: list[str]) -> list[str]:
        nonlocal new
        new = tag not in tags
        if new and len(tags) >= _MOST:
            raise BadRequest(f"The number of tags exceeded the per-server limit {_MOST}")
        return [*tags, tag] if new else tags

    _change(call, server_id, "update", with_it)
    if not new:
        return NO_CONTENT
    return Reply(status=201, headers={"Location": f"{views.base_url(call)}/v2.1/servers/{server_id}/tags/{tag}"})


def delete(call: Call[Compute], server_id: str, tag: str) -> Reply:
    def without(tags: list[str]) -> list[str]:
        if tag not in tags:
            raise NotFound(f"Instance {server_id} has no tag '{tag}'")
        return [one for one in tags if one != tag]

    _change(call, server_id, "delete", without)
    return NO_CONTENT


def clear(call: Call[Compute], server_id: str) -> Reply:
    _change(call, server_id, "delete_all", lambda tags: [])
    return NO_CONTENT
