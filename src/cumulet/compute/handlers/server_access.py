"""Finding the server a request is about, and asking whether the caller may do what it wants with it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection, Row

from cumulet.compute.domain import servers
from cumulet.compute.service import Compute
from cumulet.kernel.http import Call


def may(call: Call[Compute], rule: str, row: Row[Any]) -> None:
    target = {"project_id": row.project_id, "user_id": row.user_id}
    call.service.policy.can(call.ctx, f"os_compute_api:{rule}", target)


def load(call: Call[Compute], connection: Connection, server_id: str, rule: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404 before the 403, so that ids of other projects are told from nothing."""
    row = servers.load(connection, server_id, call.ctx, lock=lock)
    may(call, rule, row)
    return row
