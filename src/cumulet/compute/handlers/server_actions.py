"""`POST /v2.1/servers/{id}/action` (Compute API, Servers - run an action)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cumulet.compute import bodies
from cumulet.compute.domain import server_actions
from cumulet.compute.handlers import (
    consoles,
    gone,
    server_access,
    server_guest,
    server_images,
    server_moves,
    server_networking,
    server_rebuild,
    server_shelve,
)
from cumulet.compute.service import Compute
from cumulet.kernel.bus import BusError
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.http import Call, Reply

Action = Callable[[Call[Compute], str, Any], Reply]
_ACCEPTED: Final = Reply(status=202)
_MOST_LINES: Final = 2**31 - 1


def _checked(call: Call[Compute], server_id: str, rule: str) -> Any:
    with call.service.db.read() as connection:
        return server_access.load(call, connection, server_id, rule)


def _plain(name: str, rule: str) -> Action:
    """An action without arguments: `{"os-start": null}`."""

    def run(call: Call[Compute], server_id: str, given: Any) -> Reply:
        if not isinstance(given, str | dict | None):
            raise BadRequest(f"Invalid input for field/attribute {name}. Value: {given}.")
        _checked(call, server_id, rule)
        server_actions.request(call.service, call.ctx, server_id, name.removeprefix("os-"))
        return _ACCEPTED

    return run


def _reboot(call: Call[Compute], server_id: str, given: Any) -> Reply:
    kind = given.get("type") if isinstance(given, dict) and set(given) == {"type"} else None
    if not isinstance(kind, str) or kind.upper() not in ("SOFT", "HARD"):
        raise BadRequest("Invalid input for field/attribute type. It is one of SOFT, HARD.")
    _checked(call, server_id, "servers:reboot")
    server_actions.request(call.service, call.ctx, server_id, f"reboot_{kind.lower()}")
    return _ACCEPTED


def _lock(call: Call[Compute], server_id: str, given: Any) -> Reply:
    reason = None
    if call.version >= (2, 73) and given is not None:
        if not isinstance(given, dict) or set(given) - {"locked_reason"}:
            raise BadRequest("Invalid input for field/attribute lock. It is null or has a locked_reason.")
        reason = given.get("locked_reason")
        if reason is not None and not (isinstance(reason, str) and 1 <= len(reason) <= 255):
            raise BadRequest(f"Invalid input for field/attribute locked_reason. Value: {reason}.")
    _checked(call, server_id, "os-lock-server:lock")
    server_actions.set_lock(call.service, call.ctx, server_id, True, reason)
    return _ACCEPTED


def _unlock(call: Call[Compute], server_id: str, given: Any) -> Reply:
    row = _checked(call, server_id, "os-lock-server:unlock")
    if row.locked_by == "admin":
        server_access.may(call, "os-lock-server:unlock:unlock_override", row)
    server_actions.set_lock(call.service, call.ctx, server_id, False)
    return _ACCEPTED


def _reset_state(call: Call[Compute], server_id: str, given: Any) -> Reply:
    state = given.get("state") if isinstance(given, dict) and set(given) == {"state"} else None
    if state not in ("active", "error"):
        raise BadRequest(f"Invalid input for field/attribute state. Value: {state}. It is one of active, error.")
    _checked(call, server_id, "os-admin-actions:reset_state")
    server_actions.reset(call.service, call.ctx, server_id, state)
    return _ACCEPTED


def _console_output(call: Call[Compute], server_id: str, given: Any) -> Reply:
    length = _lines(given)
    row = _checked(call, server_id, "os-console-output")
    if row.host is None:
        raise Conflict(f"Instance {server_id} is not ready")
    try:
        text = call.service.bus.call(
            row.host, "compute.console_log", {"server_id": row.id, "lines": length}, ctx=call.ctx, timeout_s=30.0
        )
    except BusError as error:
        raise Conflict(f"The console of instance {server_id} cannot be read: {error}") from None
    if text is None:
        raise NotFound(f"Instance {server_id} has no console log.")
    return Reply({"output": text})


def _lines(given: Any) -> int | None:
    """None: all of it, as for -1."""
    if not isinstance(given, dict) or set(given) - {"length"}:
        raise BadRequest("Invalid input for field/attribute os-getConsoleOutput. It may have a length.")
    length = given.get("length")
    if length is None:
        return None
    if isinstance(length, bool) or not isinstance(length, int | str) or not str(length).lstrip("-").isdigit():
        raise BadRequest(f"Invalid input for field/attribute length. Value: {length}. It is no number.")
    if not -1 <= int(length) <= _MOST_LINES:
        raise BadRequest(f"Invalid input for field/attribute length. Value: {length}.")
    return None if int(length) == -1 else int(length)


_ACTIONS: Final[dict[str, Action]] = {
    "os-start": _plain("start", "servers:start"),
    "os-stop": _plain("stop", "servers:stop"),
    "reboot": _reboot,
    "pause": _plain("pause", "os-pause-server:pause"),
    "unpause": _plain("unpause", "os-pause-server:unpause"),
    "suspend": _plain("suspend", "os-suspend-server:suspend"),
    "resume": _plain("resume", "os-suspend-server:resume"),
    "lock": _lock,
    "unlock": _unlock,
    "os-resetState": _reset_state,
    "os-getConsoleOutput": _console_output,
    **server_networking.ACTIONS,
    "createImage": server_images.create_image,
    "createBackup": server_images.create_backup,
    "rebuild": server_rebuild.rebuild,
    "rescue": server_rebuild.rescue,
    "unrescue": server_rebuild.unrescue,
    "resize": server_moves.resize,
    "confirmResize": server_moves.confirm,
    "revertResize": server_moves.revert,
    "migrate": server_moves.migrate,
    "os-migrateLive": server_moves.live_migrate,
    "evacuate": server_moves.evacuate,
    "shelve": server_shelve.shelve,
    "shelveOffload": server_shelve.offload,
    "unshelve": server_shelve.unshelve,
    "forceDelete": server_shelve.force_delete,
    "restore": server_shelve.restore,
    "changePassword": server_guest.change_password,
    "trigger_crash_dump": server_guest.crash_dump,
    "os-getVNCConsole": consoles.vnc,
    "os-getSPICEConsole": consoles.spice,
    "os-getRDPConsole": consoles.rdp,
    "os-getSerialConsole": consoles.serial,
    "resetNetwork": gone.gone_action,
}


_SINCE: Final = {"trigger_crash_dump": (2, 17)}
_UNTIL: Final = dict.fromkeys(
    ("os-getVNCConsole", "os-getSPICEConsole", "os-getRDPConsole", "os-getSerialConsole"), (2, 5)
)


def act(call: Call[Compute], server_id: str) -> Reply:
    name, given = bodies.action(call, _ACTIONS)
    if call.version < _SINCE.get(name, (0, 0)) or call.version > _UNTIL.get(name, (99, 0)):
        raise NotFound("The resource could not be found.")
    return _ACTIONS[name](call, server_id, given)
