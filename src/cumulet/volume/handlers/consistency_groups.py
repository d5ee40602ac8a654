"""`/consistencygroups` and `/cgsnapshots`: what is left of them. Groups have taken their place.

There were none in this cloud before there were groups, so the lists are those groups whose type is that of old
consistency groups, as in the original.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.domain import group_types, groups
from cumulet.volume.domain.listing import Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.service import Volume


def _rows(call: Call[Volume]) -> list[Row[Any]]:
    may(call, "group:get_all")
    page: Wanted = listing.wanted(call)
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        kind = group_types.by_id_or_name(connection, group_types.CGSNAPSHOT, call.ctx)
        page.filters = {"group_type_id": kind.id}
        page.sort = [("created_at", True)]
        return groups.find(connection, groups.conditions(call.ctx, page, everyone=all_projects), page)


def _detail(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "availability_zone": row.availability_zone,
        "created_at": views.time(row.created_at),
        "name": row.name,
        "description": row.description,
        "volume_types": groups.types_of(row),
    }


def index(call: Call[Volume]) -> Reply:
    return Reply({"consistencygroups": [{"id": row.id, "name": row.name} for row in _rows(call)]})


def detail(call: Call[Volume]) -> Reply:
    return Reply({"consistencygroups": [_detail(row) for row in _rows(call)]})


def show(call: Call[Volume], group_id: str) -> Reply:
    may(call, "group:get")
    for row in _rows(call):
        if row.id == group_id:
            return Reply({"consistencygroup": _detail(row)})
    raise not_found("Group", group_id)


def snapshots(call: Call[Volume]) -> Reply:
    may(call, "group:get_all_group_snapshots")
    return Reply({"cgsnapshots": []})


def snapshot(call: Call[Volume], snapshot_id: str) -> Reply:
    may(call, "group:get_group_snapshot")
    raise not_found("GroupSnapshot", snapshot_id)
