"""`/v2.1/servers`: lists, one, changes of its texts, deletion (Compute API, Servers)."""

from __future__ import annotations

import ipaddress
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Row

from cumulet.compute import views
from cumulet.compute.bodies import read
from cumulet.compute.domain import server_groups, server_states, servers, services
from cumulet.compute.handlers import server_access, server_parts, server_views
from cumulet.compute.handlers.server_filters import Query
from cumulet.compute.schemas.servers import UpdateBody
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.http import NO_CONTENT, Call, Reply


def index(call: Call[Compute]) -> Reply:
    return _list(call, "servers", detail=False)


def detail(call: Call[Compute]) -> Reply:
    return _list(call, "servers/detail", detail=True)


def _list(call: Call[Compute], path: str, *, detail: bool) -> Reply:
    project_id = call.ctx.project_id
    rule = f"os_compute_api:servers:{'detail' if detail else 'index'}"
    call.service.policy.can(call.ctx, rule, {"project_id": project_id, "user_id": call.ctx.user_id})
    query = Query(call, detail=detail)
    limit, marker = views.page(call)
    conditions, sort = query.conditions(), query.sort()
    seen = server_views.rights(call, project_id)
    with call.service.db.read() as connection:
        rows = servers.find(connection, conditions, sort, limit, marker, brief=not detail)
        page = rows[:limit]
        states: dict[str, str] = {}
        if detail and seen.host_status:
            states = services.host_states(call.service, connection, {row.host for row in page})
    if detail:
        shown = [server_views.detailed(call, row, seen, states) for row in page]
    else:
        shown = [server_views.brief(seen.base, row) for row in page]
    body: dict[str, Any] = {"servers": shown}
    if len(rows) > limit and limit:
        body["servers_links"] = views.next_links(call, path, rows[limit - 1].id)
    return Reply(body)


def show(call: Call[Compute], server_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:show")
        seen = server_views.rights(call, row.project_id)
        states = services.host_states(call.service, connection, [row.host]) if seen.host_status else {}
        in_group = call.version >= (2, 71) and row.server_group_id is not None
        groups = server_groups.of_server(connection, row.id) if in_group else []
    return Reply({"server": server_views.detailed(call, row, seen, states, groups=groups)})


def update(call: Call[Compute], server_id: str) -> Reply:
    given = read(call, UpdateBody).server
    if given.description is not UNSET and call.version < (2, 19):
        raise BadRequest("Additional properties are not allowed ('description' was unexpected)")
    if given.hostname is not UNSET and call.version < (2, 90):
        raise BadRequest("Additional properties are not allowed ('hostname' was unexpected)")
    server_parts.require_hostname(call, given.hostname)
    if given.pinned_availability_zone is not UNSET and call.version < (2, 104):
        raise BadRequest("Additional properties are not allowed ('pinned_availability_zone' was unexpected)")
    wanted = {
        "name": given.name.strip() if isinstance(given.name, str) else UNSET,
        "description": given.description,
        "hostname": given.hostname,
        "access_ip_v4": address_of("accessIPv4", given.access_ip_v4, 4),
        "access_ip_v6": address_of("accessIPv6", given.access_ip_v6, 6),
        "auto_disk_config": UNSET if given.disk_config is UNSET else given.disk_config == "AUTO",
    }
    values = {key: value for key, value in wanted.items() if value is not UNSET}
    with call.service.db.write() as connection:
        row = server_access.load(call, connection, server_id, "servers:update", lock=True)
        if given.pinned_availability_zone is not UNSET:
            _require_pin(row, given.pinned_availability_zone)
            values["requested_zone"] = given.pinned_availability_zone
        if values:
            servers.change(connection, row.id, call.service.now(), **values)
        row = servers.load(connection, row.id)
        groups = server_groups.of_server(connection, row.id) if call.version >= (2, 75) else None
        states = services.host_states(call.service, connection, [row.host]) if call.version >= (2, 75) else {}
    seen = server_views.rights(call, row.project_id)
    return Reply({"server": server_views.detailed(call, row, seen, states, extended=False, groups=groups)})


def _require_pin(row: Row[Any], wanted: str | None) -> None:
    """Raises Conflict: a server is pinned only to the zone it is in, and to another only after it was unpinned."""
    if wanted is None or wanted == row.requested_zone:
        return
    if row.requested_zone is not None:
        raise Conflict(
            f"Instance {row.id} is pinned to availability zone {row.requested_zone}; unpin it before it is pinned to "
            f"{wanted}."
        )
    if wanted != row.availability_zone:
        raise Conflict(f"Instance {row.id} is in availability zone {row.availability_zone}, not in {wanted}.")


def address_of(name: str, value: str | UnsetType, version: int) -> str | UnsetType:
    """An access address in its shortest form; UNSET where none was given. Raises BadRequest."""
    if value is UNSET:
        return UNSET
    try:
        address = ipaddress.ip_address(value)
        if address.version == version:
            return str(address)
    except ValueError:
        pass  # refused below, with the wrong version
    raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value}. '{value}' is not a 'ipv{version}'")


def delete(call: Call[Compute], server_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:delete")
    server_states.require_unlocked(row, admin=call.ctx.is_admin)
    servers.request_delete(call.service, call.ctx, server_id)
    return NO_CONTENT
