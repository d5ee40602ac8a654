"""The actions by which Compute attached volumes before the attachments API, and operators detach them by force."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.http import Call, Reply
from cumulet.volume.bodies import convert
from cumulet.volume.domain import attaching, attachments, connecting
from cumulet.volume.handlers import volume_access
from cumulet.volume.schemas.actions import Attach, Detach, ForceDetach, WithConnector
from cumulet.volume.service import Volume

_RULES = "volume_extension:volume_actions"
_ADMIN = "volume_extension:volume_admin_actions"


def reserve(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    volume_access.checked(call, volume_id, f"{_RULES}:reserve")
    attaching.reserve(call.service, volume_id)
    return Reply(status=202)


def unreserve(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    volume_access.checked(call, volume_id, f"{_RULES}:unreserve")
    attaching.unreserve(call.service, volume_id)
    return Reply(status=202)


def begin_detaching(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    volume_access.checked(call, volume_id, f"{_RULES}:begin_detaching")
    attaching.begin_detaching(call.service, volume_id)
    return Reply(status=202)


def roll_detaching(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    volume_access.checked(call, volume_id, f"{_RULES}:roll_detaching")
    attaching.roll_detaching(call.service, volume_id)
    return Reply(status=202)


def attach(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    wanted = convert(given, Attach)
    if wanted.instance_uuid is None and wanted.host_name is None:
        raise BadRequest("Invalid request to attach volume to an invalid target")
    if wanted.instance_uuid is not None and wanted.host_name is not None:
        raise BadRequest("Invalid request to attach volume to an instance and a host simultaneously")
    row = volume_access.checked(call, volume_id, f"{_RULES}:attach")
    attachments.attach(
        call.service,
        volume_id,
        server_id=wanted.instance_uuid,
        host=wanted.host_name,
        mountpoint=wanted.mountpoint,
        mode=wanted.mode,
        project_id=row.project_id,
    )
    return Reply(status=202)


def detach(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """409 for a server's without a service's token."""
    wanted = convert(given or {}, Detach)
    row = volume_access.checked(call, volume_id, f"{_RULES}:detach")
    attachment = _to_detach(call, volume_id, wanted.attachment_id)
    connecting.may_detach(call.service, call.ctx, row, attachment)
    if attachment is None:
        attaching.unreserve(call.service, volume_id)
    else:
        if attachment.connection_info is not None:
            connecting.disconnect(call.service, call.ctx, row, attachment.id)
        attachments.forget(call.service, attachment.id)
    return Reply(status=202)


def _to_detach(call: Call[Volume], volume_id: str, attachment_id: str | None) -> Row[Any] | None:
    """Raises the 404; for who is no service the 409 with which the original answers before it looks further."""
    with call.service.db.read() as connection:
        try:
            return attachments.to_detach(connection, volume_id, attachment_id)
        except NotFound:
            if attaching.is_service(call.ctx):
                raise
            raise attachments.in_use_by(None) from None


def force_detach(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """Whatever the attachment's host thinks of it."""
    wanted = convert(given or {}, ForceDetach)
    row = volume_access.checked(call, volume_id, f"{_ADMIN}:force_detach")
    attachment = _to_detach(call, volume_id, wanted.attachment_id)
    connecting.may_detach(call.service, call.ctx, row, attachment)
    if wanted.connector is not None:
        connecting.disconnect(call.service, call.ctx, row, row.id)
    if attachment is not None:
        connecting.disconnect(call.service, call.ctx, row, attachment.id)
        attachments.forget(call.service, attachment.id, forced=True)
    return Reply(status=202)


def initialize_connection(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """The export of this way has the volume's own id: there is no attachment yet."""
    connector = convert(given, WithConnector).connector
    row = volume_access.checked(call, volume_id, f"{_RULES}:initialize_connection")
    mode = "ro" if attaching.readonly(row) else "rw"
    info = connecting.connect(call.service, call.ctx, row, row.id, connector, mode)
    return Reply({"connection_info": connecting.shown(info, row)})


def terminate_connection(call: Call[Volume], volume_id: str, given: Any) -> Reply:
    """409 for a server's without a service's token."""
    convert(given, WithConnector)
    row = volume_access.checked(call, volume_id, f"{_RULES}:terminate_connection")
    connecting.may_detach(call.service, call.ctx, row, None)
    connecting.disconnect(call.service, call.ctx, row, row.id)
    return Reply(status=202)
