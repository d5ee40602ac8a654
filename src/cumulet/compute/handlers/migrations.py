"""`/servers/{id}/migrations` and `/os-migrations` (Compute API, Server migrations, Migrations)."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute import views
from cumulet.compute.domain import moves, servers
from cumulet.compute.handlers import server_access
from cumulet.compute.service import Compute
from cumulet.compute.tables import migrations as table
from cumulet.kernel import clock
from cumulet.kernel.bus import BusError, RemoteError
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.http import Call, Reply

_ACCEPTED = Reply(status=202)
_ASK_S: Final = 15.0
_PROGRESS: Final = tuple(
    f"{kind}_{what}_bytes" for kind in ("memory", "disk") for what in ("total", "processed", "remaining")
)


def index(call: Call[Compute], server_id: str) -> Reply:
    """Live migrations of a server that are under way."""
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:migrations:index")
        found = [move for move in moves.open_of(connection, row.id) if _is_live(move)]
    return Reply({"migrations": [_in_progress(call, move) for move in found]})


def show(call: Call[Compute], server_id: str, migration_id: str) -> Reply:
    with call.service.db.read() as connection:
        row = server_access.load(call, connection, server_id, "servers:migrations:show")
        move = _load(connection, row, migration_id)
    if move.migration_type != moves.LIVE:
        raise NotFound(f"Migration {migration_id} for server {server_id} is not live-migration.")
    if not _is_live(move) or move.status in moves.OVER:
        raise NotFound(f"Migration {migration_id} for server {server_id} is not in progress.")
    return Reply({"migration": _in_progress(call, move)})


def _is_live(move: Row[Any]) -> bool:
    return move.migration_type == moves.LIVE and move.status in (*moves.ABORTABLE, "post-migrating")


def _load(connection: Connection, row: Row[Any], migration_id: str) -> Row[Any]:
    found = moves.of_server(connection, row.id, int(migration_id)) if migration_id.isdigit() else None
    if found is None:
        raise NotFound(f"Migration {migration_id} not found for instance {row.id}")
    return found


def abort(call: Call[Compute], server_id: str, migration_id: str) -> Reply:
    """What is queued ends before it starts (since 2.65), what runs is ended by its host."""
    compute = call.service
    with compute.db.write() as connection:
        row = server_access.load(call, connection, server_id, "servers:migrations:delete", lock=True)
        move = _load(connection, row, migration_id)
        allowed = moves.ABORTABLE if call.version >= (2, 65) else ("running",)
        if move.migration_type != moves.LIVE or move.status not in allowed:
            raise BadRequest(
                f"Migration {migration_id} state of instance {row.id} is {move.status}. Cannot abort live migration "
                "while the migration is in this state."
            )
        progress = servers.decode(move.progress) | {"aborted": True}
        moves.change(connection, move.uuid, compute.now(), progress=servers.encode(progress))
        servers.begin(compute, connection, call.ctx, row.id, "live_migration_cancel")
    if move.status == "running":
        _tell(call, move, "abort_live")
    return _ACCEPTED


def force_complete(call: Call[Compute], server_id: str, migration_id: str) -> Reply:
    body = call.raw_json()
    if body != {"force_complete": None}:
        raise BadRequest("Invalid input for field/attribute force_complete. It is null.")
    compute = call.service
    with compute.db.write() as connection:
        row = server_access.load(call, connection, server_id, "servers:migrations:force_complete", lock=True)
        move = _load(connection, row, migration_id)
        if move.migration_type != moves.LIVE or move.status != "running":
            raise BadRequest(
                f"Migration {migration_id} state of instance {row.id} is {move.status}. Cannot force_complete while "
                "the migration is in this state."
            )
        servers.begin(compute, connection, call.ctx, row.id, "live_migration_force_complete")
    _tell(call, move, "force_live")
    return _ACCEPTED


def _tell(call: Call[Compute], move: Row[Any], method: str) -> None:
    """Raises Conflict when the host cannot."""
    args = {"server_id": move.server_id}
    try:
        call.service.bus.call(move.source_compute, f"compute.{method}", args, ctx=call.ctx, timeout_s=_ASK_S)
    except RemoteError as error:
        if error.type != "ValueError":  # it has ended by itself
            raise Conflict(f"Host {move.source_compute} could not: {error.message}") from None
    except BusError as error:
        raise Conflict(str(error)) from None


def _in_progress(call: Call[Compute], move: Row[Any]) -> dict[str, Any]:
    shown = {
        "id": move.id,
        "server_uuid": move.server_id,
        "status": move.status,
        "source_compute": move.source_compute,
        "source_node": move.source_node,
        "dest_compute": move.dest_compute,
        "dest_node": move.dest_node,
        "dest_host": move.dest_host,
        "created_at": clock.iso_micro(move.created_at).rstrip("Z"),
        "updated_at": clock.iso_micro(move.updated_at).rstrip("Z"),
        **dict.fromkeys(_PROGRESS, None),
        **_progress(call, move),
    }
    if call.version >= (2, 59):
        shown["uuid"] = move.uuid
    if call.version >= (2, 80):
        shown |= {"user_id": move.user_id, "project_id": move.project_id}
    return shown


def _progress(call: Call[Compute], move: Row[Any]) -> dict[str, int]:
    """What the host says at this moment; nothing when there is nothing to say."""
    if move.status != "running":
        return {}
    args = {"server_id": move.server_id}
    bus = call.service.bus
    try:
        found = bus.call(move.source_compute, "compute.live_progress", args, ctx=call.ctx, timeout_s=_ASK_S)
    except BusError:
        return {}  # a host that is busy or gone: the figures are left out
    return {f"{name}_bytes": value for name, value in found.items() if f"{name}_bytes" in _PROGRESS}


def of_all(call: Call[Compute]) -> Reply:
    """`GET /os-migrations`"""
    call.service.policy.can(call.ctx, "os_compute_api:os-migrations:index", {"project_id": call.ctx.project_id})
    conditions = _conditions(call)
    limit: int | None = None
    with call.service.db.read() as connection:
        marker = None
        if call.version >= (2, 59):
            limit, wanted = views.page(call)
            marker = None if wanted is None else moves.by_uuid(connection, wanted)
            if wanted is not None and marker is None:
                raise BadRequest(f"Marker {wanted} could not be found.")
        found = moves.find(connection, conditions, limit, marker)
    page = found if limit is None else found[:limit]
    body: dict[str, Any] = {"migrations": [_shown(call, move) for move in page]}
    if limit and len(found) > limit:
        body["migrations_links"] = views.next_links(call, "os-migrations", page[-1].uuid)
    return Reply(body)


def _conditions(call: Call[Compute]) -> list[sa.ColumnElement[bool]]:
    query = {name: values[-1] for name, values in call.query().items()}
    columns = {
        "status": table.c.status,
        "source_compute": table.c.source_compute,
        "instance_uuid": table.c.server_id,
        "migration_type": table.c.migration_type,
    }
    if call.version >= (2, 80):
        columns |= {"user_id": table.c.user_id, "project_id": table.c.project_id}
    if call.version >= (2, 59):
        times = ("changes-since", "changes-before") if call.version >= (2, 66) else ("changes-since",)
        views.require_known(call, (*columns, "host", "hidden", "limit", "marker", *times), since=(2, 59))
    found: list[sa.ColumnElement[bool]] = [column == query[name] for name, column in columns.items() if name in query]
    if "host" in query:
        found.append(sa.or_(table.c.source_compute == query["host"], table.c.dest_compute == query["host"]))
    if not call.service.policy.allows(call.ctx, "os_compute_api:os-migrations:index:all_projects", {}):
        found.append(table.c.project_id == call.ctx.project_id)
    return found + _times(call)


def _times(call: Call[Compute]) -> list[sa.ColumnElement[bool]]:
    if call.version < (2, 59):
        return []
    since, before = views.moment(call, "changes-since", (2, 59)), views.moment(call, "changes-before", (2, 66))
    if since is not None and before is not None and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    found: list[sa.ColumnElement[bool]] = []
    if since is not None:
        found.append(table.c.updated_at >= since)
    if before is not None:
        found.append(table.c.updated_at <= before)
    return found


def _shown(call: Call[Compute], move: Row[Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": move.id,
        "instance_uuid": move.server_id,
        "status": move.status,
        "source_compute": move.source_compute,
        "source_node": move.source_node,
        "dest_compute": move.dest_compute,
        "dest_node": move.dest_node,
        "dest_host": move.dest_host,
        "old_instance_type_id": _number(move.old_flavor_id),
        "new_instance_type_id": _number(move.new_flavor_id),
        "created_at": clock.iso_micro(move.created_at).rstrip("Z"),
        "updated_at": clock.iso_micro(move.updated_at).rstrip("Z"),
    }
    if call.version >= (2, 23):
        shown["migration_type"] = move.migration_type
        if _is_live(move):
            path = f"servers/{move.server_id}/migrations/{move.id}"
            shown["links"] = views.links(call, path)
    if call.version >= (2, 59):
        shown["uuid"] = move.uuid
    if call.version >= (2, 80):
        shown |= {"user_id": move.user_id, "project_id": move.project_id}
    return shown


def _number(flavor_id: str | None) -> int | None:
    """Flavors had numbers once; here only those whose id is one do."""
    return int(flavor_id) if flavor_id is not None and flavor_id.isdigit() else None
