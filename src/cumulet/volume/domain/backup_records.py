"""A backup's record: what another cloud, or this one after a disaster, needs to find it again."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.jobs import enqueue
from cumulet.volume.domain import backups, quotas, volumes
from cumulet.volume.domain.backups import DEADLINE_S
from cumulet.volume.service import Volume
from cumulet.volume.tables import backups as table
from cumulet.volume.tables import jobs

_DOCUMENTS = ("metadata", "volume_facts")


class Record(msgspec.Struct, kw_only=True):
    """Unknown fields are read over: records may be newer than this service."""

    id: str
    volume_id: str
    size: int
    location: str
    digest: str
    container: str | None = None
    snapshot_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    description: str | None = None
    host: str | None = None
    object_count: int | None = None
    availability_zone: str | None = None
    data_timestamp: int | None = None
    created_at: int | None = None
    metadata: dict[str, str] = {}
    volume_facts: dict[str, Any] = {}


def export(volume: Volume, backup_id: str) -> tuple[str, str]:
    """(service, record as base64). Raises the 404, BadRequest for one that is not there whole."""
    with volume.db.read() as connection:
        row = backups.load(connection, backup_id)
    if row.status != "available" or row.digest is None:
        raise BadRequest(f"Invalid backup: Backup status must be available and not {row.status}.")
    fields = {name: getattr(row, name) for name in Record.__struct_fields__ if name not in _DOCUMENTS}
    record = Record(
        **fields,
        metadata=msgspec.json.decode(row.metadata, type=dict[str, str]),
        volume_facts=backups.facts_of(row),
    )
    return str(row.service), base64.b64encode(msgspec.json.encode(record)).decode()


def take(volume: Volume, ctx: Context, service: str, url: str) -> Row[Any]:
    """The backup, `creating`: it is `available` once its files have been found. Raises BadRequest."""
    record = _decoded(url)
    with volume.db.write() as connection:
        there = backups.load_any(connection, record.id, lock=True)
        if there is not None:
            raise BadRequest("Invalid backup: Backup already exists in database.")
        project_id = ctx.project_id or ""
        quotas.require(volume, connection, project_id, {"backups": 1, "backup_gigabytes": record.size})
        now = volume.now()
        values = {name: getattr(record, name) for name in Record.__struct_fields__ if name not in _DOCUMENTS}
        values |= {
            "project_id": project_id,
            "user_id": ctx.user_id,
            "service": service,
            "status": "creating",
            "metadata": volumes.encode(record.metadata),
            "volume_facts": volumes.encode(_checked(record.volume_facts)),
            "created_at": record.created_at or now,
        }
        connection.execute(sa.insert(table).values(**values))
        enqueue(connection, jobs, backups.IMPORT, {}, subject=record.id, deadline_s=DEADLINE_S, ctx=ctx)
        row = backups.load(connection, record.id)
    volume.wake()
    return row


class _Facts(msgspec.Struct):
    metadata: dict[str, str] = {}
    image_metadata: dict[str, str] = {}
    bootable: bool = False


def _checked(facts: dict[str, Any]) -> _Facts:
    """Raises BadRequest for facts that no volume can have."""
    try:
        return msgspec.convert(facts, _Facts)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Invalid input received: Can't parse backup record: {error}") from None


def _decoded(url: str) -> Record:
    try:
        record = msgspec.json.decode(base64.b64decode(url, validate=True), type=Record)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"Invalid input received: Can't parse backup record: {error}") from None
    ids = (record.id, record.volume_id, record.digest)
    texts = (record.location, record.container or "", record.name or "", record.host or "")
    if not all(0 < len(text) <= 64 for text in ids) or any(len(text) > 255 for text in texts) or record.size < 1:
        raise BadRequest("Invalid input received: Can't parse backup record: it has fields that cannot be.")
    return record
