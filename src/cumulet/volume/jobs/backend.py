"""Asking a back end's agent: `HOST@BACKEND#POOL` is served under HOST on the bus (agents.volume.protocols)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy.engine import Row

from cumulet.kernel.bus import HostUnreachable, RemoteError
from cumulet.kernel.jobs import Backoff, GiveUp, Job, Retry
from cumulet.volume.domain import services
from cumulet.volume.service import Volume

LONG_S: Final = 6 * 3600.0
SHORT_S: Final = 120.0
BACKOFF: Final = Backoff(0.2, 5.0)
_AGAIN_S: Final = 1.0


class Refusal(GiveUp):
    """The back end answered that it will not; `type` is the name of its reason (protocols.Refused's kinds)."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(message or type_)
        self.type = type_


def call(
    job: Job,
    volume: Volume,
    host: str,
    method: str,
    args: dict[str, Any],
    *,
    step: str = "",
    timeout_s: float = SHORT_S,
) -> Any:
    """`volume.<method>` at a host. Raises Refusal; Retry while a host that reports cannot be reached, whose agent is
    being started again; BusError when it is down: a few attempts later the job has failed.

    step: what tells several calls of one method in one job apart; the same call repeated is done once.
    """
    name, _, rest = host.partition("@")
    backend = rest.partition("#")[0]
    try:
        return volume.bus.call(
            name,
            f"volume.{method}",
            {"backend": backend, **args},
            timeout_s=max(1.0, job.remaining_s(timeout_s)),
            ctx=job.context(),
            call_id=f"{job.id}-{method}{step}",
        )
    except RemoteError as error:
        raise Refusal(error.type, error.message) from None
    except HostUnreachable as error:
        if _is_up(volume, name):
            raise Retry(_AGAIN_S, str(error)) from None
        raise


def _is_up(volume: Volume, host: str) -> bool:
    with volume.db.read() as connection:
        return any(services.is_up(volume, row) for row in services.find(connection, host=host, binary=services.VOLUME))


def key_of(volume: Volume, key_id: str | None) -> str | None:
    """The passphrase of an encrypted volume; None of a plain one. Raises GiveUp when it is lost."""
    if key_id is None:
        return None
    if volume.keys is None:
        raise GiveUp("The encryption key cannot be read: there is no key store.")
    try:
        with volume.db.read() as connection:
            return volume.keys.passphrase(connection, key_id)
    except LookupError:
        raise GiveUp("The encryption key is not there any more.") from None


def wanted(row: Row[Any], **keys: str | None) -> dict[str, Any]:
    """A volume as the agent is told of it: `protocols.Volume`; keys that are None are left out."""
    return {"id": name_of(row), "size_gb": row.size, **{key: value for key, value in keys.items() if value is not None}}


def name_of(row: Row[Any]) -> str:
    """Under which id the back end knows a volume: another than its own after some migrations."""
    return str(row.name_id or row.id)


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
