"""`/v2.1/servers/{id}/metadata` (Compute API, Server metadata)."""

from __future__ import annotations

from collections.abc import Callable

from cumulet.compute.bodies import read
from cumulet.compute.domain import quotas, server_states, servers
from cumulet.compute.handlers import server_access
from cumulet.compute.schemas.servers import MetaBody, MetadataBody
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Forbidden, NotFound
from cumulet.kernel.http import NO_CONTENT, Call, Reply

Items = dict[str, str]


def _read(call: Call[Compute], server_id: str, verb: str) -> Items:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, f"server-metadata:{verb}")
    return dict(servers.decode(row.metadata))


def _change(call: Call[Compute], server_id: str, verb: str, edit: Callable[[Items], Items]) -> Items:
    """Replace the metadata by what `edit` makes of it. Raises Forbidden above the quota."""
    with call.service.db.write() as connection:
        row = server_access.load(call, connection, server_id, f"server-metadata:{verb}", lock=True)
        server_states.require_unlocked(row, admin=call.ctx.is_admin)
        items = edit(dict(servers.decode(row.metadata)))
        limit = quotas.limits(call.service, connection, row.project_id)["metadata_items"]
        if 0 <= limit < len(items):
            raise Forbidden(f"Maximum number of metadata items exceeds {limit}")
        servers.change(connection, row.id, call.service.now(), metadata=servers.encode(items))
    return items


def index(call: Call[Compute], server_id: str) -> Reply:
    return Reply({"metadata": _read(call, server_id, "index")})


def add(call: Call[Compute], server_id: str) -> Reply:
    given = read(call, MetadataBody).metadata
    return Reply({"metadata": _change(call, server_id, "create", lambda items: items | given)})


def replace(call: Call[Compute], server_id: str) -> Reply:
    given = read(call, MetadataBody).metadata
    return Reply({"metadata": _change(call, server_id, "update_all", lambda items: given)})


def show(call: Call[Compute], server_id: str, key: str) -> Reply:
    items = _read(call, server_id, "show")
    if key not in items:
        raise NotFound("Metadata item was not found")
    return Reply({"meta": {key: items[key]}})


def update(call: Call[Compute], server_id: str, key: str) -> Reply:
    given = read(call, MetaBody).meta
    if key not in given:
        raise BadRequest("Request body and URI mismatch")
    if len(given) != 1:
        raise BadRequest("Invalid input for field/attribute meta. It has one item.")
    _change(call, server_id, "update", lambda items: items | given)
    return Reply({"meta": given})


def delete(call: Call[Compute], server_id: str, key: str) -> Reply:
    def without(items: Items) -> Items:
        if key not in items:
            raise NotFound("Metadata item was not found")
        del items[key]
        return items

    _change(call, server_id, "delete", without)
    return NO_CONTENT
