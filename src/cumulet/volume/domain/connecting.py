"""Having a back end export a volume to a host and end it again, at once: who asks waits for the answer."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Row

from cumulet.kernel.bus import BusError, HostUnreachable, RemoteError
from cumulet.kernel.client import Unreachable
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, Conflict, InternalError, ServiceUnavailable
from cumulet.kernel.jobs import enqueue
from cumulet.volume.clients import compute
from cumulet.volume.domain import attaching, attachments, qos_specs, volumes
from cumulet.volume.service import Volume
from cumulet.volume.tables import jobs

_CONNECT_S: Final = 55.0
_DISCONNECT_S: Final = 55.0
_LATER_S: Final = 24 * 3600.0

ConnectionInfo = dict[str, Any]


def connect(
    volume: Volume, ctx: Context, row: Row[Any], attachment_id: str, connector: dict[str, Any], mode: str
) -> ConnectionInfo:
    """`{"driver_volume_type", "data"}`. Raises BadRequest, Conflict, ServiceUnavailable."""
    if row.host is None:
        raise BadRequest(f"Invalid volume: Volume {row.id} is on no back end.")
    args = {"volume_id": row.name_id or row.id, "attachment_id": attachment_id, "connector": connector, "mode": mode}
    args["shared"] = bool(row.multiattach)
    if row.encryption_key_id is not None and volume.keys is not None:
        with volume.db.read() as connection:
            args["key"] = volume.keys.passphrase(connection, row.encryption_key_id)
    try:
        answer: ConnectionInfo = _ask(volume, ctx, row.host, "connect", args, _CONNECT_S)
    except RemoteError as error:
        if error.type in ("InUse", "Refused"):
            raise Conflict(f"Volume {row.id} cannot be connected: {error.message}") from None
        raise InternalError(f"Unable to fetch connection information from backend: {error.message}") from None
    except BusError as error:
        raise ServiceUnavailable(f"The back end of volume {row.id} does not answer: {error}") from None
    answer["data"]["qos_specs"] = _limits(volume, row)
    return answer


def _limits(volume: Volume, row: Row[Any]) -> dict[str, str] | None:
    """What the hypervisor is to hold the volume to: its type's QoS specs."""
    with volume.db.read() as connection:
        type_row = volumes.type_of(connection, row)
        return None if type_row is None else qos_specs.for_volume(connection, type_row.qos_specs_id, row.size)


def disconnect(volume: Volume, ctx: Context, row: Row[Any], attachment_id: str) -> None:
    """End an export. A back end that cannot be reached now is asked again by a job."""
    if row.host is None:
        return
    args = {"volume_id": row.name_id or row.id, "attachment_id": attachment_id}
    try:
        _ask(volume, ctx, row.host, "disconnect", args, _DISCONNECT_S)
    except RemoteError as error:
        raise InternalError(f"Unable to terminate volume connection: {error.message}") from None
    except (HostUnreachable, BusError):
        with volume.db.write() as connection:
            payload = {"host": row.host, **args}
            enqueue(
                connection,
                jobs,
                volumes.DETACH,
                payload,
                subject=row.id,
                key=attachment_id,
                deadline_s=_LATER_S,
                max_attempts=100_000,
                ctx=ctx,
            )
        volume.wake()


def _ask(volume: Volume, ctx: Context, host: str, method: str, args: dict[str, Any], timeout_s: float) -> Any:
    name, _, rest = host.partition("@")
    given = {"backend": rest.partition("#")[0], **args}
    return volume.bus.call(name, f"volume.{method}", given, timeout_s=timeout_s, ctx=ctx)


def may_detach(volume: Volume, ctx: Context, row: Row[Any], attachment: Row[Any] | None) -> None:
    """Raises Conflict when a server uses it and the caller is no service: bytes would be lost in the guest.

    attachment: None when the volume has several and the caller did not say which.
    """
    if attaching.is_service(ctx):
        return
    if attachment is None:
        with volume.db.read() as connection:
            own = attaching.of(connection, row.id)
        if not own:
            return
        if len(own) > 1:
            raise attachments.in_use_by(None)
        attachment = own[0]
    if attachment.instance_id is None or attachment.connection_info is None:
        return
    try:
        known = compute.attachment_of(volume.session, attachment.instance_id, row.id)
    except (Unreachable, LookupError):
        raise ServiceUnavailable(
            f"The compute service does not say whether server {attachment.instance_id} uses the volume."
        ) from None
    if known == attachment.id:
        raise attachments.in_use_by(attachment.instance_id)


def shown(info: ConnectionInfo, row: Row[Any], attachment_id: str | None = None) -> ConnectionInfo:
    """The answer of a back end with what Volume itself knows about how the volume is to be used."""
    data = {
        "qos_specs": None,
        "access_mode": "rw",
        **info.get("data", {}),
        "encrypted": row.encrypted and not info.get("data", {}).get("decrypted", False),
        "cacheable": False,
    }
    if attachment_id is not None:
        data["attachment_id"] = attachment_id
    return {**info, "data": data}


def flat(info: ConnectionInfo) -> ConnectionInfo:
    """As attachments show it: everything on one level."""
    return {"driver_volume_type": info["driver_volume_type"], **info["data"]}
