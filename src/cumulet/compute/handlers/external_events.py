"""`POST /v2.1/os-server-external-events` (Compute API, Create External Events)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cumulet.compute.bodies import read
from cumulet.compute.domain import external_events
from cumulet.compute.schemas.servers import Uuid
from cumulet.compute.service import Compute
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply

_SINCE: Final = {
    "network-changed": (2, 1),
    "network-vif-plugged": (2, 1),
    "network-vif-unplugged": (2, 1),
    "network-vif-deleted": (2, 1),
    "volume-extended": (2, 51),
    "power-update": (2, 76),
    "accelerator-request-bound": (2, 82),
    "volume-reimaged": (2, 93),
}


class _Event(Struct, forbid_unknown_fields=True):
    name: str
    server_uuid: Uuid
    status: Literal["failed", "completed", "in-progress"] | UnsetType = UNSET
    tag: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


class _Body(Struct, forbid_unknown_fields=True):
    events: Annotated[list[_Event], Meta(min_length=1)]


def create(call: Call[Compute]) -> Reply:
    call.service.policy.can(call.ctx, "os_compute_api:os-server-external-events:create", {})
    given = read(call, _Body).events
    for event in given:
        if event.name not in _SINCE or call.version < _SINCE[event.name]:
            known = [name for name, since in _SINCE.items() if call.version >= since]
            raise BadRequest(
                f"Invalid input for field/attribute name. Value: {event.name}. It is one of {', '.join(known)}."
            )
    codes = external_events.take(
        call.service,
        [
            external_events.Event(event.name, event.server_uuid, None if event.tag is UNSET else event.tag)
            for event in given
        ],
    )
    return Reply(
        {"events": [_shown(event, code) for event, code in zip(given, codes, strict=True)]},
        200 if set(codes) == {200} else 207,
    )


def _shown(event: _Event, code: int) -> dict[str, object]:
    shown: dict[str, object] = {"name": event.name, "server_uuid": event.server_uuid}
    if event.tag is not UNSET:
        shown["tag"] = event.tag
    return shown | {"status": "completed" if code == 200 else "failed", "code": code}
