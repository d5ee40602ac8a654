"""Loading a volume for a caller: 404 for others' volumes, 403 for what the rules do not allow."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.kernel.http import Call
from cumulet.volume.domain import access, volumes
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume


def load(call: Call[Volume], connection: Connection, volume_id: str, rule: str) -> Row[Any]:
    """Raises the 404, then Forbidden."""
    row = access.mine(call.ctx, volumes.load(connection, volume_id), not_found("Volume", volume_id))
    may(call, rule, row)
    return row


def checked(call: Call[Volume], volume_id: str, *rules: str) -> Row[Any]:
    """As `load`, for who needs no connection after it."""
    with call.service.db.read() as connection:
        row = access.mine(call.ctx, volumes.load(connection, volume_id), not_found("Volume", volume_id))
    for rule in rules:
        may(call, rule, row)
    return row


def may(call: Call[Volume], rule: str, row: Row[Any] | None = None) -> None:
    """Ask the rules about a row's project, or about the caller's own."""
    target = {"project_id": call.ctx.project_id, "user_id": call.ctx.user_id}
    if row is not None:
        target = {"project_id": row.project_id, "user_id": getattr(row, "user_id", None)}
    call.service.policy.can(call.ctx, rule, target)
