"""`/backups` (Block Storage API, Backups)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import boolean, convert, inner, stripped
from cumulet.volume.domain import access, backup_records, backup_restore, backups
from cumulet.volume.domain.listing import count as count_rows
from cumulet.volume.errors import not_found
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas import backups as schemas
from cumulet.volume.service import Volume

_SORTED_BY: Final = frozenset(backups.SORTS)
_METADATA: Final = (3, 43)
_ZONES: Final = (3, 51)


def checked(call: Call[Volume], backup_id: str, rule: str) -> Row[Any]:
    """Raises the 404, then Forbidden."""
    with call.service.db.read() as connection:
        row = access.mine(call.ctx, backups.load(connection, backup_id), not_found("Backup", backup_id))
    may(call, rule, row)
    return row


def _summary(call: Call[Volume], row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "links": views.links(call, f"backups/{row.id}")}


class _View:
    """How one caller sees backups; made once a request."""

    def __init__(self, call: Call[Volume], parents: frozenset[str]) -> None:
        self._call = call
        self._parents = parents
        own = {"project_id": call.ctx.project_id, "user_id": call.ctx.user_id}
        self._projects = call.service.policy.allows(call.ctx, "backup:backup_project_attribute", own)

    def detail(self, row: Row[Any]) -> dict[str, Any]:
        call = self._call
        shown = _summary(call, row) | {
            "status": row.status,
            "size": row.size,
            "object_count": row.object_count or 0,
            "availability_zone": row.availability_zone,
            "container": row.container,
            "created_at": views.time(row.created_at),
            "updated_at": views.time(row.updated_at),
            "description": row.description,
            "fail_reason": row.fail_reason,
            "volume_id": row.volume_id,
            "is_incremental": row.parent_id is not None,
            "has_dependent_backups": row.id in self._parents,
            "snapshot_id": row.snapshot_id,
            "data_timestamp": views.time(row.data_timestamp),
        }
        if self._projects and call.version >= (3, 18):
            shown["os-backup-project-attr:project_id"] = row.project_id
        if call.version >= _METADATA:
            shown["metadata"] = msgspec.Raw(row.metadata.encode())
        if call.version >= (3, 56):
            shown["user_id"] = row.user_id
        if call.version >= (3, 64) and row.encryption_key_id is not None:
            shown["encryption_key_id"] = row.encryption_key_id
        return shown


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    may(call, "backup:get_all")
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    listing.only_known(call, page, "backup", backups.FILTERS, older=frozenset(("name", "status", "volume_id")))
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        where = backups.conditions(call.ctx, page, everyone=all_projects)
        rows = backups.find(connection, where, page)
        parents = backups.parents(connection, [row.id for row in rows]) if detail and rows else frozenset[str]()
        number = count_rows(connection, backups.backups, where) if page.with_count else None
    view = _View(call, parents)
    path = "backups/detail" if detail else "backups"
    shown = [view.detail(row) if detail else _summary(call, row) for row in rows]
    return listing.reply(call, page, path, "backups", shown, count=number)


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], backup_id: str) -> Reply:
    row = checked(call, backup_id, "backup:get")
    with call.service.db.read() as connection:
        parents = backups.parents(connection, [backup_id])
    return Reply({"backup": _View(call, parents).detail(row)})


def create(call: Call[Volume]) -> Reply:
    fields = inner(call.raw_json(), "backup")
    kind: type[Any] = schemas.NewBackup
    if call.version >= _METADATA:
        kind = schemas.NewBackupInZone if call.version >= _ZONES else schemas.NewBackupWithMetadata
    given = convert(fields, kind)
    volume_access.checked(call, given.volume_id, "backup:create")
    request = backups.Request(
        volume_id=given.volume_id,
        snapshot_id=given.snapshot_id,
        name=stripped(given.name),
        description=stripped(given.description),
        container=given.container,
        incremental=boolean(given.incremental, "incremental"),
        force=boolean(given.force, "force"),
        metadata=getattr(given, "metadata", None) or {},
        availability_zone=getattr(given, "availability_zone", None),
    )
    row = backups.create(call.service, call.ctx, request)
    return Reply({"backup": _summary(call, row)}, status=202)


def update(call: Call[Volume], backup_id: str) -> Reply:
    body = call.raw_json()
    if not isinstance(body, dict) or not body.get("backup"):
        raise BadRequest("Missing request body.")
    fields = inner(body, "backup")
    given = convert(fields, schemas.ChangedBackupWithMetadata if call.version >= _METADATA else schemas.ChangedBackup)
    values: dict[str, Any] = {key: stripped(getattr(given, key)) for key in ("name", "description") if key in fields}
    if "metadata" in fields:
        values["metadata"] = msgspec.json.encode(fields["metadata"]).decode()
    checked(call, backup_id, "backup:update")
    row = backups.update(call.service, backup_id, values)
    return Reply({"backup": _summary(call, row)})


def delete(call: Call[Volume], backup_id: str) -> Reply:
    checked(call, backup_id, "backup:delete")
    backups.delete(call.service, call.ctx, backup_id)
    return Reply(status=202)


def restore(call: Call[Volume], backup_id: str) -> Reply:
    body = call.raw_json()
    if isinstance(body, dict) and body.get("restore", 0) is None:
        body = {"restore": {}}
    given = convert(inner(body, "restore"), schemas.Restore)
    checked(call, backup_id, "backup:restore")
    row = backup_restore.restore(call.service, call.ctx, backup_id, given.volume_id, stripped(given.name))
    shown = {"backup_id": backup_id, "volume_id": row.id, "volume_name": row.name}
    return Reply({"restore": shown}, status=202)


def export_record(call: Call[Volume], backup_id: str) -> Reply:
    checked(call, backup_id, "backup:export-import")
    service, url = backup_records.export(call.service, backup_id)
    return Reply({"backup-record": {"backup_service": service, "backup_url": url}})


def import_record(call: Call[Volume]) -> Reply:
    given = convert(inner(call.raw_json(), "backup-record"), schemas.BackupRecord)
    may(call, "backup:backup-import")
    row = backup_records.take(call.service, call.ctx, given.backup_service, given.backup_url)
    return Reply({"backup": _summary(call, row)}, status=201)
