"""Exporting a volume again whose export came to an end with its agent: agents keep no keys, so they have to be told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cumulet.kernel.jobs import Job, JobRegistry
from cumulet.volume.domain import attaching, connecting, services, volumes
from cumulet.volume.jobs import backend
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments


def register(registry: JobRegistry) -> None:
    registry.register(services.RECONNECT, reconnect, backoff=backend.BACKOFF)


def reconnect(job: Job, volume: Volume) -> None:
    with volume.db.read() as connection:
        row = volumes.load_any(connection, job.subject)
        held = [each for each in attaching.of(connection, job.subject) if each.connection_info is not None]
    if row is None or row.host is None:
        return
    key = backend.key_of(volume, row.encryption_key_id)
    for each in held:
        given: dict[str, Any] = {
            "volume_id": backend.name_of(row),
            "attachment_id": each.id,
            "connector": volumes.decode(each.connector) or {},
            "mode": each.attach_mode or "rw",
            "shared": bool(row.multiattach),
        }
        given |= {} if key is None else {"key": key}
        info = backend.call(job, volume, row.host, "connect", given, step=each.id)
        info = connecting.shown(info, row, each.id)
        before = volumes.decode(each.connection_info)
        # What only Volume knows stays as it was told to the server.
        info["data"] = {**before["data"], **info["data"], "qos_specs": before["data"].get("qos_specs")}
        with volume.db.write() as connection:
            mine = sa.and_(attachments.c.id == each.id, attachments.c.connection_info.is_not(None))
            changed = {"connection_info": volumes.encode(info), "updated_at": volume.now()}
            connection.execute(sa.update(attachments).where(mine).values(**changed))
