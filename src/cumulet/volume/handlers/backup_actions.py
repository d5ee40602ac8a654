"""`POST /backups/{id}/action` (Block Storage API, Backup actions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cumulet.kernel.errors import BadRequest
from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies
from cumulet.volume.domain import backups
from cumulet.volume.handlers.backups import checked
from cumulet.volume.service import Volume

_RULE: Final = "volume_extension:backup_admin_actions"


def _reset_status(call: Call[Volume], backup_id: str, given: Any) -> Reply:
    status = bodies.convert(given.get("status") if isinstance(given, dict) else None, bodies.NonEmpty)
    if status not in backups.STATES:
        raise BadRequest(f"Backup status: {status[:64]} is invalid, valid statuses are: {list(backups.STATES)}.")
    checked(call, backup_id, f"{_RULE}:reset_status")
    backups.reset_status(call.service, backup_id, status)
    return Reply(status=202)


def _force_delete(call: Call[Volume], backup_id: str, given: Any) -> Reply:
    checked(call, backup_id, f"{_RULE}:force_delete")
    backups.delete(call.service, call.ctx, backup_id, force=True)
    return Reply(status=202)


_ACTIONS: Final[dict[str, Callable[[Call[Volume], str, Any], Reply]]] = {
    "os-reset_status": _reset_status,
    "os-force_delete": _force_delete,
}


def act(call: Call[Volume], backup_id: str) -> Reply:
    name, given = bodies.action(call, _ACTIONS)
    return _ACTIONS[name](call, backup_id, given)
