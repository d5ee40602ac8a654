"""`/group_snapshots` (Block Storage API, Group snapshots; 3.14)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies, listing, views
from cumulet.volume.bodies import convert, inner, stripped
from cumulet.volume.domain import access, group_snapshots
from cumulet.volume.errors import not_found
from cumulet.volume.handlers import groups
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.groups import NewGroupSnapshot
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(group_snapshots.SORTS)


def checked(call: Call[Volume], snapshot_id: str, rule: str) -> Row[Any]:
    """Raises the 404, then Forbidden."""
    with call.service.db.read() as connection:
        missing = not_found("GroupSnapshot", snapshot_id)
        row = access.mine(call.ctx, group_snapshots.load(connection, snapshot_id), missing)
    may(call, rule, row)
    return row


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "group_type_id": row.group_type_id}


def _detail(call: Call[Volume], row: Row[Any], *, projects: bool) -> dict[str, Any]:
    shown = _summary(row) | {
        "group_id": row.group_id,
        "status": row.status,
        "created_at": views.time(row.created_at),
        "description": row.description,
    }
    return shown | ({"project_id": row.project_id} if projects else {})


def _sees_projects(call: Call[Volume]) -> bool:
    rule = "group:group_snapshot_project_attribute"
    return call.version >= (3, 58) and call.service.policy.allows(call.ctx, rule, {})


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    may(call, "group:get_all_group_snapshots")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    listing.only_known(call, page, "group_snapshot", group_snapshots.FILTERS, older=group_snapshots.FILTERS)
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        where = group_snapshots.conditions(call.ctx, page, everyone=all_projects)
        rows = group_snapshots.find(connection, where, page)
    projects = detail and _sees_projects(call)
    shown = [_detail(call, row, projects=projects) if detail else {"id": row.id, "name": row.name} for row in rows]
    return listing.reply(call, page, "group_snapshots", "group_snapshots", shown, links="group_snapshot_links")


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], snapshot_id: str) -> Reply:
    row = checked(call, snapshot_id, "group:get_group_snapshot")
    return Reply({"group_snapshot": _detail(call, row, projects=_sees_projects(call))})


def create(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "group_snapshot"), NewGroupSnapshot)
    groups.checked(call, given.group_id, "group:create_group_snapshot")
    name, description = stripped(given.name), stripped(given.description)
    row = group_snapshots.create(call.service, call.ctx, given.group_id, name, description)
    return Reply({"group_snapshot": _summary(row)}, status=202)


def delete(call: Call[Volume], snapshot_id: str) -> Reply:
    checked(call, snapshot_id, "group:delete_group_snapshot")
    group_snapshots.delete(call.service, call.ctx, snapshot_id)
    return Reply(status=202)


def act(call: Call[Volume], snapshot_id: str) -> Reply:
    """`reset_status` (3.19)."""
    _, given = bodies.action(call, {"reset_status": None})
    status = convert(given.get("status") if isinstance(given, dict) else None, bodies.NonEmpty)
    if status not in group_snapshots.STATES:
        raise BadRequest(
            f"Invalid GroupSnapshot Status: Group snapshot status: {status[:64]} is invalid, valid statuses are: "
            f"{group_snapshots.STATES}."
        )
    checked(call, snapshot_id, "group:reset_group_snapshot_status")
    group_snapshots.reset_status(call.service, snapshot_id, status)
    return Reply(status=202)
