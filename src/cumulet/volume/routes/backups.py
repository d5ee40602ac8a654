"""Backups and transfers."""

from __future__ import annotations

from cumulet.kernel.http import Route
from cumulet.volume.handlers import backup_actions, backups, transfers

_BACKUP = "/v3/backups/{backup_id}"


def _transfers(path: str, since: tuple[int, int]) -> tuple[Route, ...]:
    one = f"{path}/{{transfer_id}}"
    return (
        Route("GET", path, transfers.index, since=since),
        Route("POST", path, transfers.create, since=since),
        Route("GET", f"{path}/detail", transfers.detail, since=since),
        Route("GET", one, transfers.show, since=since),
        Route("DELETE", one, transfers.delete, since=since),
        Route("POST", f"{one}/accept", transfers.accept, since=since),
    )


ROUTES = (
    Route("GET", "/v3/backups", backups.index),
    Route("POST", "/v3/backups", backups.create),
    Route("GET", "/v3/backups/detail", backups.detail),
    Route("POST", "/v3/backups/import_record", backups.import_record),
    Route("GET", _BACKUP, backups.show),
    Route("PUT", _BACKUP, backups.update, since=(3, 9)),
    Route("DELETE", _BACKUP, backups.delete),
    Route("POST", f"{_BACKUP}/restore", backups.restore),
    Route("GET", f"{_BACKUP}/export_record", backups.export_record),
    Route("POST", f"{_BACKUP}/action", backup_actions.act),
    *_transfers("/v3/os-volume-transfer", (3, 0)),
    *_transfers("/v3/volume-transfers", (3, 0)),
)
