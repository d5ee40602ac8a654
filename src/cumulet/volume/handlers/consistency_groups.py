"""`/consistencygroups` and `/cgsnapshots` (Block Storage API, Consistency groups): groups under their older name.

They are the groups whose type is the one that the original gave to its old consistency groups.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import boolean, convert, inner, stripped
from cumulet.volume.domain import access, group_snapshots, group_sources, group_types, groups
from cumulet.volume.domain.listing import Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.consistency_groups import (
    ChangedConsistencyGroup,
    FromConsistencySource,
    NewConsistencyGroup,
    NewConsistencySnapshot,
)
from cumulet.volume.service import Volume

_BY_AGE: Final = [("created_at", True)]


def _page(call: Call[Volume], connection: Connection) -> tuple[Wanted, bool]:
    """What a list asks for, of that one type only; whether of everyone's."""
    page = listing.wanted(call, sorted_by=frozenset(groups.SORTS))
    all_projects = everyone(call, page)
    page.filters = {"group_type_id": _kind(call, connection).id}
    page.sort = list(_BY_AGE)
    return page, all_projects


def _kind(call: Call[Volume], connection: Connection) -> Row[Any]:
    return group_types.by_id_or_name(connection, group_types.CGSNAPSHOT, call.ctx)


def _group(call: Call[Volume], group_id: str, rule: str) -> Row[Any]:
    """Raises the 404 also for a group of another type."""
    with call.service.db.read() as connection:
        kind = _kind(call, connection)
        row = access.mine(call.ctx, groups.load(connection, group_id), not_found("Group", group_id))
    if row.group_type_id != kind.id:
        raise not_found("Group", group_id)
    may(call, rule, row)
    return row


def _snapshot(call: Call[Volume], snapshot_id: str, rule: str) -> Row[Any]:
    missing = not_found("GroupSnapshot", snapshot_id)
    with call.service.db.read() as connection:
        kind = _kind(call, connection)
        row = access.mine(call.ctx, group_snapshots.load(connection, snapshot_id), missing)
    if row.group_type_id != kind.id:
        raise missing
    may(call, rule, row)
    return row


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


def _detail(row: Row[Any]) -> dict[str, Any]:
    return _summary(row) | {
        "status": row.status,
        "availability_zone": row.availability_zone,
        "created_at": views.time(row.created_at),
        "description": row.description,
        "volume_types": groups.types_of(row),
    }


def _snapshot_detail(row: Row[Any]) -> dict[str, Any]:
    return _summary(row) | {
        "consistencygroup_id": row.group_id,
        "status": row.status,
        "created_at": views.time(row.created_at),
        "description": row.description,
    }


def _groups(call: Call[Volume]) -> list[Row[Any]]:
    may(call, "group:get_all")
    with call.service.db.read() as connection:
        page, all_projects = _page(call, connection)
        return groups.find(connection, groups.conditions(call.ctx, page, everyone=all_projects), page)


def _snapshots(call: Call[Volume]) -> list[Row[Any]]:
    may(call, "group:get_all_group_snapshots")
    with call.service.db.read() as connection:
        page, all_projects = _page(call, connection)
        where = group_snapshots.conditions(call.ctx, page, everyone=all_projects)
        return group_snapshots.find(connection, where, page)


def index(call: Call[Volume]) -> Reply:
    return Reply({"consistencygroups": [_summary(row) for row in _groups(call)]})


def detail(call: Call[Volume]) -> Reply:
    return Reply({"consistencygroups": [_detail(row) for row in _groups(call)]})


def show(call: Call[Volume], group_id: str) -> Reply:
    return Reply({"consistencygroup": _detail(_group(call, group_id, "group:get"))})


def create(call: Call[Volume]) -> Reply:
    """`volume_types` is one text here, the names divided by commas."""
    given = convert(inner(call.raw_json(), "consistencygroup"), NewConsistencyGroup)
    may(call, "group:create")
    kinds = _listed(given.volume_types)
    if not kinds:
        raise BadRequest("volume_types must be provided to create consistency group.")
    values = {
        "name": stripped(given.name),
        "description": stripped(given.description),
        "availability_zone": given.availability_zone or call.service.conf.storage_availability_zone,
    }
    row = groups.create(call.service, call.ctx, values, group_types.CGSNAPSHOT, kinds)
    return Reply({"consistencygroup": _summary(row)}, status=202)


def _listed(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def create_from_source(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "consistencygroup-from-src"), FromConsistencySource)
    may(call, "group:create")
    if (given.cgsnapshot_id is None) == (given.source_cgid is None):
        raise BadRequest("Either 'cgsnapshot_id' or 'source_cgid' must be provided, and not both of them.")
    row = group_sources.create(
        call.service,
        call.ctx,
        {"name": stripped(given.name), "description": stripped(given.description)},
        source_group_id=given.source_cgid,
        group_snapshot_id=given.cgsnapshot_id,
    )
    return Reply({"consistencygroup": _summary(row)}, status=202)


def update(call: Call[Volume], group_id: str) -> Reply:
    fields = inner(call.raw_json(), "consistencygroup")
    given = convert(fields, ChangedConsistencyGroup)
    add, remove = _listed(given.add_volumes), _listed(given.remove_volumes)
    values = {key: stripped(getattr(given, key)) for key in ("name", "description") if fields.get(key)}
    if not values and not add and not remove:
        raise BadRequest("Name, description, add_volumes, and remove_volumes can not be all empty in the request body.")
    _group(call, group_id, "group:update")
    groups.update(call.service, group_id, values, add, remove)
    return Reply(status=202)


def delete(call: Call[Volume], group_id: str) -> Reply:
    """`force`: with its volumes. A body is not needed."""
    given = call.raw_json() if call.req.content_length else None
    with_volumes = boolean(inner(given, "consistencygroup").get("force"), "force") if given else False
    _group(call, group_id, "group:delete")
    groups.delete(call.service, call.ctx, group_id, with_volumes=with_volumes)
    return Reply(status=202)


def snapshots(call: Call[Volume]) -> Reply:
    return Reply({"cgsnapshots": [_summary(row) for row in _snapshots(call)]})


def snapshots_detail(call: Call[Volume]) -> Reply:
    return Reply({"cgsnapshots": [_snapshot_detail(row) for row in _snapshots(call)]})


def snapshot(call: Call[Volume], snapshot_id: str) -> Reply:
    return Reply({"cgsnapshot": _snapshot_detail(_snapshot(call, snapshot_id, "group:get_group_snapshot"))})


def create_snapshot(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "cgsnapshot"), NewConsistencySnapshot)
    _group(call, given.consistencygroup_id, "group:create_group_snapshot")
    name, description = stripped(given.name), stripped(given.description)
    row = group_snapshots.create(call.service, call.ctx, given.consistencygroup_id, name, description)
    return Reply({"cgsnapshot": _summary(row)}, status=202)


def delete_snapshot(call: Call[Volume], snapshot_id: str) -> Reply:
    _snapshot(call, snapshot_id, "group:delete_group_snapshot")
    group_snapshots.delete(call.service, call.ctx, snapshot_id)
    return Reply(status=202)
