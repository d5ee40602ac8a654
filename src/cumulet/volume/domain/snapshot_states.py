"""Setting a snapshot's status by hand."""

from __future__ import annotations

import re
from typing import Any, Final

from cumulet.kernel.errors import BadRequest
from cumulet.volume.domain import snapshots
from cumulet.volume.service import Volume

STATES: Final = (
    "error",
    "available",
    "creating",
    "deleting",
    "deleted",
    "updating",
    "error_deleting",
    "unmanaging",
    "backing-up",
    "restoring",
)
_MAP: Final = {"creating": ("creating", "available", "error"), "deleting": ("deleting", "error_deleting")}


def reset(volume: Volume, snapshot_id: str, status: str) -> None:
    """Raises BadRequest for a status there is not."""
    if status not in STATES:
        raise BadRequest(f"Snapshot status: {status[:64]} is invalid, valid statuses are: {STATES}.")
    with volume.db.write() as connection:
        snapshots.load(connection, snapshot_id, lock=True)
        snapshots.change(connection, snapshot_id, volume.now(), status=status)


def update(volume: Volume, snapshot_id: str, status: str, progress: str | None) -> None:
    """Only while it is made or deleted, and only to what may follow. Raises BadRequest."""
    with volume.db.write() as connection:
        row = snapshots.load(connection, snapshot_id, lock=True)
        if row.status not in _MAP:
            raise BadRequest(f"Snapshot status {row.status} not allowed for update_snapshot_status")
        if status not in _MAP[row.status]:
            raise BadRequest(
                f"Provided snapshot status {status[:64]} not allowed for snapshot with status {row.status}."
            )
        values: dict[str, Any] = {"status": status}
        if progress is not None:
            if re.fullmatch(r"[0-9]{1,3}%?", progress) is None:
                raise BadRequest("progress must be an integer percentage")
            values["progress"] = f"{progress.rstrip('%')}%"
        snapshots.change(connection, snapshot_id, volume.now(), **values)
