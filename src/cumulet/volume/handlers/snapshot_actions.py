"""`POST /snapshots/{id}/action` (Block Storage API, Snapshot actions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cumulet.kernel.http import Call, Reply
from cumulet.volume import bodies
from cumulet.volume.domain import snapshot_states, snapshots
from cumulet.volume.handlers import manageable
from cumulet.volume.handlers.snapshots import checked
from cumulet.volume.service import Volume

Action = Callable[[Call[Volume], str, Any], Reply]
ADMIN: Final = "volume_extension:snapshot_admin_actions"


def _status(given: Any) -> str:
    status = given.get("status") if isinstance(given, dict) else None
    if not isinstance(status, str) or not status:
        raise bodies.refused("status", status, "It is required.")
    return status


def _force_delete(call: Call[Volume], snapshot_id: str, given: Any) -> Reply:
    checked(call, snapshot_id, f"{ADMIN}:force_delete")
    snapshots.delete(call.service, call.ctx, snapshot_id, force=True)
    return Reply(status=202)


def _reset_status(call: Call[Volume], snapshot_id: str, given: Any) -> Reply:
    status = _status(given)
    checked(call, snapshot_id, f"{ADMIN}:reset_status")
    snapshot_states.reset(call.service, snapshot_id, status)
    return Reply(status=202)


def _update_status(call: Call[Volume], snapshot_id: str, given: Any) -> Reply:
    """What Compute says about a snapshot that it helped to make."""
    fields = given if isinstance(given, dict) else {}
    status = _status(given)
    progress = bodies.convert(fields.get("progress"), bodies.Name | None)  # type: ignore[arg-type]
    checked(call, snapshot_id, "snapshot_extension:snapshot_actions:update_snapshot_status")
    snapshot_states.update(call.service, snapshot_id, status, None if progress is None else str(progress))
    return Reply(status=202)


ACTIONS: dict[str, Action] = {
    "os-force_delete": _force_delete,
    "os-reset_status": _reset_status,
    "os-update_snapshot_status": _update_status,
    "os-unmanage": manageable.unmanage_snapshot,
}
"""By the name in the body."""


def act(call: Call[Volume], snapshot_id: str) -> Reply:
    name, given = bodies.action(call, ACTIONS)
    return ACTIONS[name](call, snapshot_id, given)
