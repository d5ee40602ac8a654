"""`/v2.1/servers/{id}/os-instance-actions` (Compute API, Servers actions history)."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute import views
from cumulet.compute.domain import instance_actions, servers
from cumulet.compute.handlers import server_access
from cumulet.compute.service import Compute
from cumulet.kernel import clock
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply


def _server(call: Call[Compute], connection: Connection, server_id: str, verb: str) -> Row[Any]:
    """Since 2.21 also a deleted server's history is shown."""
    if call.version < (2, 21):
        return server_access.load(call, connection, server_id, f"os-instance-actions:{verb}")
    row = servers.load_any(connection, server_id)
    if row is None or (row.project_id != call.ctx.project_id and not call.ctx.is_admin):
        raise NotFound(f"Instance {server_id} could not be found.")
    server_access.may(call, f"os-instance-actions:{verb}", row)
    return row


def _bare(at: int | None) -> str | None:
    return None if at is None else clock.iso_micro(at).rstrip("Z")


def _view(call: Call[Compute], row: Row[Any]) -> dict[str, Any]:
    shown = {
        "action": row.action,
        "instance_uuid": row.server_id,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": _bare(row.start_time),
        "message": row.message,
    }
    if call.version >= (2, 58):
        shown["updated_at"] = _bare(row.updated_at)
    return shown


def index(call: Call[Compute], server_id: str) -> Reply:
    paged = call.version >= (2, 58)
    limit, marker = views.page(call) if paged else (None, None)
    views.require_known(call, ("limit", "marker", "changes-since", "changes-before"), since=(2, 58))
    since = views.moment(call, "changes-since", (2, 58)) if paged else None
    before = views.moment(call, "changes-before", (2, 66)) if paged else None
    if since is not None and before is not None and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    with call.service.db.read() as connection:
        row = _server(call, connection, server_id, "list")
        rows = instance_actions.find(connection, row.id, limit=limit, marker=marker, since=since, before=before)
    page = rows if limit is None else rows[:limit]
    body: dict[str, Any] = {"instanceActions": [_view(call, one) for one in page]}
    if limit and len(rows) > limit:
        body["links"] = views.next_links(call, f"servers/{server_id}/os-instance-actions", page[-1].request_id)
    return Reply(body)


def show(call: Call[Compute], server_id: str, request_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = _server(call, connection, server_id, "show")
        action = instance_actions.load(connection, row.id, request_id)
        events = instance_actions.events_of(connection, action.id)
    target = {"project_id": row.project_id, "user_id": row.user_id}
    everything = call.service.policy.allows(call.ctx, "os_compute_api:os-instance-actions:events", target)
    shown = _view(call, action)
    if everything or call.version >= (2, 51):
        shown["events"] = [_event(call, row, event, everything=everything) for event in events]
    return Reply({"instanceAction": shown})


def _event(call: Call[Compute], row: Row[Any], event: Row[Any], *, everything: bool) -> dict[str, Any]:
    shown = {
        "event": event.event,
        "start_time": _bare(event.start_time),
        "finish_time": _bare(event.finish_time),
        "result": event.result,
    }
    if everything:
        shown["traceback"] = event.traceback
    if call.version >= (2, 62):
        shown["hostId"] = hashlib.sha224(f"{row.project_id}{event.host}".encode()).hexdigest() if event.host else ""
        if call.ctx.is_admin:
            shown["host"] = event.host
    if call.version >= (2, 84) and everything:
        shown["details"] = event.details
    return shown
