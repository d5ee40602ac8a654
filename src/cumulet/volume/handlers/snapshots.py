"""`/snapshots` (Block Storage API, Volume snapshots)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy.engine

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import boolean, convert, inner, stripped
from cumulet.volume.domain import access, snapshots
from cumulet.volume.domain.listing import count as count_rows
from cumulet.volume.errors import not_found
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volume_metadata import one_item
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.snapshots import ChangedSnapshot, NewSnapshot
from cumulet.volume.schemas.volumes import MetadataBody
from cumulet.volume.service import Volume

Row = sqlalchemy.engine.Row[Any]
_SORTED_BY: Final = frozenset(snapshots.SORTS)
_OLDER: Final = frozenset(("name", "display_name", "status", "volume_id", "metadata", "id", "availability_zone"))
_READ: Final = "volume:get_snapshot"


def checked(call: Call[Volume], snapshot_id: str, *rules: str) -> Row:
    """Raises the 404, then Forbidden."""
    with call.service.db.read() as connection:
        missing = not_found("Snapshot", snapshot_id)
        row = access.mine(call.ctx, snapshots.load(connection, snapshot_id), missing)
    for rule in rules:
        may(call, rule, row)
    return row


def summary(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_at": views.time(row.created_at),
        "updated_at": views.time(row.updated_at),
        "name": row.name,
        "description": row.description,
        "volume_id": row.volume_id,
        "status": row.status,
        "size": row.volume_size,
        "metadata": msgspec.Raw(row.metadata),
    }


def basic(call: Call[Volume], row: Row) -> dict[str, Any]:
    shown = summary(row)
    if call.version >= (3, 14):
        shown["group_snapshot_id"] = row.group_snapshot_id
    if call.version >= (3, 41):
        shown["user_id"] = row.user_id
    if call.version >= (3, 65):
        shown["consumes_quota"] = row.consumes_quota
    return shown


def detailed(call: Call[Volume], row: Row) -> dict[str, Any]:
    extended = {
        "os-extended-snapshot-attributes:project_id": row.project_id,
        "os-extended-snapshot-attributes:progress": row.progress,
    }
    return basic(call, row) | extended


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    may(call, "volume:get_all_snapshots")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    listing.only_known(call, page, "snapshot", snapshots.FILTERS, older=_OLDER)
    if call.version < (3, 22):
        page.filters.pop("metadata", None)
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        where = snapshots.conditions(call.ctx, page, everyone=all_projects)
        rows = snapshots.find(connection, where, page)
        number = count_rows(connection, snapshots.snapshots, where) if page.with_count else None
    path = "snapshots/detail" if detail else "snapshots"
    shown = [detailed(call, row) if detail else summary(row) for row in rows]
    return listing.reply(call, page, path, "snapshots", shown, count=number)


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], snapshot_id: str) -> Reply:
    return Reply({"snapshot": detailed(call, checked(call, snapshot_id, _READ))})


def create(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "snapshot"), NewSnapshot)
    force = boolean(None if given.force is msgspec.UNSET else given.force, "force")
    if call.version >= (3, 66) and given.force is not msgspec.UNSET and not force:
        raise BadRequest(
            "Since microversion 3.66 the 'force' option is invalid for this request. For backward compatability, "
            "however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored."
        )
    name = stripped(given.name if given.name is not None else given.display_name)
    description = stripped(given.description if given.description is not None else given.display_description)
    for key, text in (("name", name), ("description", description)):
        if text is not None and len(text) > 255:
            raise BadRequest(f"Invalid input received: {key} has {len(text)} characters, more than 255.")
    if given.volume_id is None:
        raise not_found("Volume", None)
    volume_access.checked(call, given.volume_id, "volume:create_snapshot")
    values = {"name": name, "description": description, "metadata": given.metadata or {}}
    in_use = force or call.version >= (3, 66)
    row = snapshots.create(call.service, call.ctx, given.volume_id, values, in_use=in_use)
    return Reply({"snapshot": basic(call, row)}, status=202)


def update(call: Call[Volume], snapshot_id: str) -> Reply:
    fields = inner(call.raw_json(), "snapshot")
    given = convert(fields, ChangedSnapshot)
    if not fields:
        raise BadRequest("Invalid input for field/attribute snapshot. Value: {}. It changes nothing.")
    checked(call, snapshot_id, "volume:update_snapshot")
    values = {}
    for key, new, old in (
        ("name", given.name, given.display_name),
        ("description", given.description, given.display_description),
    ):
        value = new if new is not msgspec.UNSET else old
        if value is not msgspec.UNSET:
            values[key] = stripped(value)
    return Reply({"snapshot": basic(call, snapshots.update(call.service, snapshot_id, values))})


def delete(call: Call[Volume], snapshot_id: str) -> Reply:
    checked(call, snapshot_id, "volume:delete_snapshot")
    snapshots.delete(call.service, call.ctx, snapshot_id)
    return Reply(status=202)


def metadata(call: Call[Volume], snapshot_id: str) -> Reply:
    row = checked(call, snapshot_id, _READ, "volume:get_snapshot_metadata")
    return Reply({"metadata": snapshots.metadata_of(row)})


def metadata_item(call: Call[Volume], snapshot_id: str, key: str) -> Reply:
    row = checked(call, snapshot_id, _READ, "volume:get_snapshot_metadata")
    found = snapshots.metadata_of(row)
    if key not in found:
        raise NotFound(f"Snapshot {snapshot_id} has no metadata with key {key}.")
    return Reply({"meta": {key: found[key]}})


def add_metadata(call: Call[Volume], snapshot_id: str) -> Reply:
    return _set_metadata(call, snapshot_id, replace=False)


def replace_metadata(call: Call[Volume], snapshot_id: str) -> Reply:
    return _set_metadata(call, snapshot_id, replace=True)


def _set_metadata(call: Call[Volume], snapshot_id: str, *, replace: bool) -> Reply:
    given = convert(call.raw_json(), MetadataBody).metadata
    checked(call, snapshot_id, _READ, "volume:update_snapshot_metadata")
    return Reply({"metadata": snapshots.edit_metadata(call.service, snapshot_id, given, replace=replace)})


def set_metadata_item(call: Call[Volume], snapshot_id: str, key: str) -> Reply:
    given = one_item(call, key)
    checked(call, snapshot_id, _READ, "volume:update_snapshot_metadata")
    snapshots.edit_metadata(call.service, snapshot_id, given)
    return Reply({"meta": given})


def delete_metadata_item(call: Call[Volume], snapshot_id: str, key: str) -> Reply:
    checked(call, snapshot_id, _READ, "volume:delete_snapshot_metadata")
    snapshots.edit_metadata(call.service, snapshot_id, {}, remove=key)
    return Reply(status=200)
