"""Giving a volume to another project: whoever shows the key takes it (Block Storage API, Volume transfers)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest
from cumulet.kernel.ids import uuid_id
from cumulet.volume.domain import listing, quotas, volumes
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import snapshots, transfers
from cumulet.volume.tables import volumes as volume_table

SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    "id": transfers.c.id,
    "name": transfers.c.name,
    "display_name": transfers.c.name,
    "volume_id": transfers.c.volume_id,
    "created_at": transfers.c.created_at,
}
FILTERS: Final = frozenset(("id", "name", "volume_id", "source_project_id", "no_snapshots"))
_KEY_BYTES: Final = 16
_WORK: Final = {"n": 1 << 12, "r": 8, "p": 1}
"""Of scrypt: the key has 128 random bits, so this only has to be no plain hash."""


def load(connection: Connection, transfer_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    query = sa.select(transfers).where(transfers.c.id == transfer_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found("Transfer", transfer_id)
    return row


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool) -> list[Condition]:
    found: list[Condition] = [] if everyone else [transfers.c.source_project_id == ctx.project_id]
    for key, value in wanted.filters.items():
        if key == "no_snapshots":
            found.append(transfers.c.no_snapshots.is_(str(value).lower() in ("true", "1")))
        elif key in FILTERS:
            found.append(listing.equals(transfers.c[key], value))
    return found


def find(connection: Connection, where: list[Condition], wanted: Wanted) -> list[Row[Any]]:
    return listing.page(
        connection, transfers, where, wanted, sorts=SORTS, unknown_marker=lambda marker: not_found("Transfer", marker)
    )


def create(
    volume: Volume, volume_id: str, name: str | None, *, no_snapshots: bool, encrypted: bool
) -> tuple[Row[Any], str]:
    """The transfer and its key, which is shown this once. The volume waits until somebody takes it.

    encrypted: whether the client's version knows that encrypted volumes can be given (3.70). Raises BadRequest.
    """
    with volume.db.write() as connection:
        row = volumes.load(connection, volume_id, lock=True)
        if row.status != "available":
            raise BadRequest("Invalid volume: status must be available")
        if row.encryption_key_id is not None and not encrypted:
            raise BadRequest("Invalid volume: transferring encrypted volume is not supported")
        if row.encryption_key_id is not None and no_snapshots:
            raise BadRequest("Invalid volume: transferring an encrypted volume without its snapshots is not supported")
        if not no_snapshots:
            _snapshots_are_ready(connection, volume_id)
        key, salt = secrets.token_hex(_KEY_BYTES), secrets.token_hex(8)
        values = {
            "id": uuid_id(),
            "volume_id": volume_id,
            "name": name,
            "salt": salt,
            "key_hash": _hash(key, salt),
            "source_project_id": row.project_id,
            "no_snapshots": no_snapshots,
            "created_at": volume.now(),
        }
        connection.execute(sa.insert(transfers).values(**values))
        volumes.change(connection, volume_id, volume.now(), status="awaiting-transfer")
        return load(connection, str(values["id"])), key


def _snapshots_are_ready(connection: Connection, volume_id: str) -> None:
    query = sa.select(snapshots.c.id).where(snapshots.c.volume_id == volume_id, snapshots.c.status != "available")
    other = connection.execute(query).scalar()
    if other is not None:
        raise BadRequest(f"Invalid snapshot: snapshot: {other} status must be available")


def _hash(key: str, salt: str) -> str:
    return hashlib.scrypt(key.encode(), salt=salt.encode(), dklen=32, **_WORK).hex()


def delete(volume: Volume, transfer_id: str) -> None:
    """The volume is as it was."""
    with volume.db.write() as connection:
        row = load(connection, transfer_id, lock=True)
        given = volumes.load_any(connection, row.volume_id, lock=True)
        if given is not None and given.status == "awaiting-transfer":
            volumes.change(connection, given.id, volume.now(), status="available")
        connection.execute(sa.delete(transfers).where(transfers.c.id == transfer_id))


def accept(volume: Volume, ctx: Context, transfer_id: str, key: str) -> Row[Any]:
    """The volume becomes the caller's, with its snapshots. Raises the 404, BadRequest, OverLimit."""
    with volume.db.read() as connection:
        row = load(connection, transfer_id)
    if not hmac.compare_digest(_hash(key, row.salt), row.key_hash):
        raise BadRequest(f"Invalid auth key: Attempt to transfer {transfer_id} with invalid auth key.")
    with volume.db.write() as connection:
        row = load(connection, transfer_id, lock=True)
        given = volumes.load(connection, row.volume_id, lock=True)
        if given.status != "awaiting-transfer":
            raise BadRequest(f"Invalid volume: Volume {given.id} is not waiting for a transfer.")
        if given.group_id is not None:
            raise BadRequest(f"Invalid volume: Volume {given.id} must not be part of a consistency group.")
        _take(volume, connection, ctx, given, with_snapshots=not row.no_snapshots)
        connection.execute(sa.delete(transfers).where(transfers.c.id == transfer_id))
    return row


def _take(volume: Volume, connection: Connection, ctx: Context, row: Row[Any], *, with_snapshots: bool) -> None:
    project_id = ctx.project_id or ""
    own = snapshots.c.volume_id == row.id
    quotas.size_limit(volume, connection, project_id, row.size)
    more = {"volumes": 1, "gigabytes": row.size}
    if with_snapshots:
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(snapshots.c.volume_size), 0)).where(own)
        number, size = connection.execute(query).one()
        more["snapshots"] = int(number)
        more["gigabytes"] += 0 if volume.conf.no_snapshot_gb_quota else int(size)
    type_row = volumes.type_of(connection, row)
    if type_row is not None:
        more |= {f"{resource}_{type_row.name}": amount for resource, amount in more.items()}
    quotas.require(volume, connection, project_id, more)
    new = {"project_id": project_id, "user_id": ctx.user_id, "updated_at": volume.now()}
    if with_snapshots:
        connection.execute(sa.update(snapshots).where(own).values(**new))
    again = {"status": "available", "generation": volume_table.c.generation + 1}
    connection.execute(sa.update(volume_table).where(volume_table.c.id == row.id).values(**new, **again))
