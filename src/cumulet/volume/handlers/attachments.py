"""`/attachments` (Block Storage API, Attachments; from 3.27)."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy.engine

from cumulet.kernel.errors import ApiError, BadRequest
from cumulet.kernel.http import NO_CONTENT, Call, Reply
from cumulet.volume import listing, views
from cumulet.volume.bodies import convert, inner
from cumulet.volume.domain import access, attachments, connecting, volumes
from cumulet.volume.handlers import volume_access
from cumulet.volume.handlers.volume_access import may
from cumulet.volume.handlers.volumes import everyone
from cumulet.volume.schemas.attachments import ChangedAttachment, NewAttachment, NewAttachmentWithMode
from cumulet.volume.service import Volume

Row = sqlalchemy.engine.Row[Any]
_SORTED_BY: Final = frozenset(attachments.SORTS)
_OLDER: Final = attachments.FILTERS - {"project_id", "all_tenants", "tenant_id"}


def summary(row: Row) -> dict[str, Any]:
    return {"id": row.id, "status": row.attach_status, "instance": row.instance_id, "volume_id": row.volume_id}


def detailed(row: Row) -> dict[str, Any]:
    info = volumes.decode(row.connection_info)
    return summary(row) | {
        "attached_at": views.time(row.attached_at) or "",
        "detached_at": views.time(row.detached_at) or "",
        "attach_mode": row.attach_mode or "null",
        "connection_info": {} if info is None else connecting.flat(info),
    }


def _load(call: Call[Volume], attachment_id: str) -> tuple[Row, Row]:
    """(attachment, volume). Raises the 404."""
    with call.service.db.read() as connection:
        row = access.mine(call.ctx, attachments.load(connection, attachment_id), attachments.missing(attachment_id))
        return row, volumes.load(connection, row.volume_id)


def _list(call: Call[Volume], *, detail: bool) -> Reply:
    page = listing.wanted(call, sorted_by=_SORTED_BY)
    listing.only_known(call, page, "attachment", attachments.FILTERS, older=_OLDER)
    all_projects = everyone(call, page)
    with call.service.db.read() as connection:
        rows = attachments.find(connection, call.ctx, page, everyone=all_projects)
    path = "attachments/detail" if detail else "attachments"
    shown = [detailed(row) if detail else summary(row) for row in rows]
    return listing.reply(call, page, path, "attachments", shown)


def index(call: Call[Volume]) -> Reply:
    return _list(call, detail=False)


def detail(call: Call[Volume]) -> Reply:
    return _list(call, detail=True)


def show(call: Call[Volume], attachment_id: str) -> Reply:
    row, _ = _load(call, attachment_id)
    return Reply({"attachment": detailed(row)})


def create(call: Call[Volume]) -> Reply:
    """With a connector it is connected at once."""
    kind = NewAttachmentWithMode if call.version >= (3, 54) else NewAttachment
    given = convert(inner(call.raw_json(), "attachment"), kind)
    volume = volume_access.checked(call, given.volume_uuid, "volume:attachment_create")
    mode = getattr(given, "mode", None) or ((given.connector or {}).get("mode") if given.connector else None)
    row = attachments.reserve(
        call.service,
        call.ctx,
        volume.id,
        given.instance_uuid,
        mode=mode if mode in ("rw", "ro") else None,
        connecting=bool(given.connector),
    )
    if not given.connector:
        return Reply({"attachment": detailed(row)})
    try:
        row = _connect(call, row, volume, given.connector)
    except ApiError:
        attachments.forget(call.service, row.id)
        raise
    return Reply({"attachment": detailed(row)})


def _connect(call: Call[Volume], row: Row, volume: Row, connector: dict[str, Any]) -> Row:
    mode = row.attach_mode or "rw"
    info = connecting.connect(call.service, call.ctx, volume, row.id, connector, mode)
    host, mountpoint = connector.get("host"), connector.get("mountpoint")
    return attachments.enter(
        call.service,
        row.id,
        attach_status="attached" if row.attach_status == "attached" else "attaching",
        attach_mode=mode,
        attached_host=host[:255] if isinstance(host, str) else None,
        mountpoint=mountpoint[:255] if isinstance(mountpoint, str) else row.mountpoint,
        connector=volumes.encode(connector),
        connection_info=volumes.encode(connecting.shown(info, volume, row.id)),
    )


def update(call: Call[Volume], attachment_id: str) -> Reply:
    """The host that will use it is known now: connect."""
    given = convert(inner(call.raw_json(), "attachment"), ChangedAttachment)
    if not given.connector:
        raise BadRequest("Invalid input for field/attribute connector. Value: {}. It is empty.")
    row, volume = _load(call, attachment_id)
    may(call, "volume:attachment_update", row)
    was_reserved = row.attach_status == "reserved"
    changed = {"attach_status": "attaching"} if was_reserved else {}  # so that its export is ended if this dies
    if given.connector.get("mode") in ("rw", "ro") and row.attach_mode is None:
        changed["attach_mode"] = given.connector["mode"]
    if changed:
        row = attachments.enter(call.service, row.id, **changed)
    try:
        return Reply({"attachment": detailed(_connect(call, row, volume, given.connector))})
    except ApiError:
        if was_reserved:
            attachments.enter(call.service, row.id, attach_status="reserved")
        raise


def act(call: Call[Volume], attachment_id: str) -> Reply:
    """os-complete (3.44)."""
    body = call.raw_json()
    if not isinstance(body, dict) or set(body) != {"os-complete"}:
        raise BadRequest("Invalid input for field/attribute body. 'os-complete' is the only action.")
    row, _ = _load(call, attachment_id)
    may(call, "volume:attachment_complete", row)
    attachments.complete(call.service, attachment_id)
    return NO_CONTENT


def delete(call: Call[Volume], attachment_id: str) -> Reply:
    """409 for a server's without a service's token; answers with what is left."""
    row, volume = _load(call, attachment_id)
    may(call, "volume:attachment_delete", row)
    connecting.may_detach(call.service, call.ctx, volume, row)
    if row.connection_info is not None or row.attach_status != "reserved":
        connecting.disconnect(call.service, call.ctx, volume, row.id)
    left = attachments.forget(call.service, attachment_id)
    return Reply({"attachments": [summary(each) for each in left]})
