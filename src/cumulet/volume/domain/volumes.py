"""Volumes as rows: finding, changing, their metadata. What is done to them is in volume_create and volume_actions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, NotFound
from cumulet.kernel.prepared import Prepared
from cumulet.volume.domain import listing
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.domain.moments import between
from cumulet.volume.errors import not_found
from cumulet.volume.service import Volume
from cumulet.volume.tables import attachments, volume_metadata, volume_types, volumes

# The kinds of jobs about volumes; the subject is the volume's id.
CREATE: Final = "volume.create"
DELETE: Final = "volume.delete"
EXTEND: Final = "volume.extend"
REVERT: Final = "volume.revert"
RETYPE: Final = "volume.retype"
MIGRATE: Final = "volume.migrate"
UPLOAD: Final = "volume.upload"
REIMAGE: Final = "volume.reimage"
DETACH: Final = "volume.disconnect"
DROP_IMAGE: Final = "volume.drop_image"
REMOVE_COPY: Final = "volume.remove_copy"
TAKE_BACK: Final = "volume.take_back"
AFTERWARDS: Final = (DETACH, DROP_IMAGE, REMOVE_COPY, TAKE_BACK, "volume.reconnect")
"""Cleaning up elsewhere, for which nobody waits."""
ATTEMPTS: Final = 40
"""How often a back end that does not answer is asked: about three minutes, longer than an agent takes to come back."""

Metadata = dict[str, str]
SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: volumes.c[column]
    for key, column in {
        "id": "id",
        "name": "name",
        "display_name": "name",
        "status": "status",
        "size": "size",
        "host": "host",
        "bootable": "bootable",
        "availability_zone": "availability_zone",
        "created_at": "created_at",
        "updated_at": "updated_at",
        "project_id": "project_id",
        "user_id": "user_id",
        "volume_type_id": "volume_type_id",
        "attach_status": "attach_status",
        "migration_status": "migration_status",
        "group_id": "group_id",
    }.items()
}
_PLAIN: Final = (
    "id",
    "name",
    "size",
    "host",
    "availability_zone",
    "migration_status",
    "group_id",
    "attach_status",
    "user_id",
    "project_id",
    "snapshot_id",
    "source_volid",
    "volume_type_id",
    "replication_status",
    "description",
)
FILTERS: Final = frozenset(
    (
        *_PLAIN,
        "status",
        "display_name",
        "bootable",
        "encrypted",
        "multiattach",
        "metadata",
        "glance_metadata",
        "created_at",
        "updated_at",
        "consumes_quota",
        "all_tenants",
        "tenant_id",
    )
)
_SHOWN: Final = (
    *("id", "status", "size", "availability_zone", "created_at", "updated_at", "name", "description"),
    *("volume_type_id", "snapshot_id", "source_volid", "metadata", "admin_metadata", "image_metadata", "user_id"),
    *("project_id", "bootable", "encrypted", "replication_status", "group_id", "multiattach", "attachments"),
    *("migration_status", "name_id", "host", "provider_id", "shared_targets", "service_uuid", "encryption_key_id"),
    "consumes_quota",
)
SHOWN: Final = [volumes.c[name] for name in _SHOWN]
"""What detailed answers are made of, in this order."""
NAMED: Final = [volumes.c.id, volumes.c.name]
as_shown: Final[Callable[[Row[Any]], tuple[Any, ...]]] = operator.attrgetter(*_SHOWN)
"""A whole row as one of SHOWN."""
_BY_ID: Final = sa.select(volumes).where(volumes.c.id == sa.bindparam("volume_id"))
_ONE: Final = Prepared(_BY_ID)
_ONE_LOCKED: Final = Prepared(_BY_ID.with_for_update())
_TYPE: Final = sa.select(volume_types).where(volume_types.c.id == sa.bindparam("type_id"))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(value: Any) -> str:
    return _encode(value).decode()


def decode(text: str | None) -> Any:
    return None if text is None else _decode(text)


def load_any(connection: Connection, volume_id: str, *, lock: bool = False) -> Row[Any] | None:
    row: Row[Any] | None = (_ONE_LOCKED if lock else _ONE).first(connection, {"volume_id": volume_id})
    return row


def load(connection: Connection, volume_id: str, *, lock: bool = False) -> Row[Any]:
    """Raises the 404."""
    row = load_any(connection, volume_id, lock=lock)
    if row is None:
        raise not_found("Volume", volume_id)
    return row


def change(connection: Connection, volume_id: str, now: int, **values: Any) -> None:
    """A changed status is a new generation: a job that was asked for before it has no say any more."""
    if "status" in values:
        values["generation"] = volumes.c.generation + 1
    connection.execute(sa.update(volumes).where(volumes.c.id == volume_id).values(updated_at=now, **values))


def conditions(ctx: Context, wanted: Wanted, *, everyone: bool, now: int) -> list[Condition]:
    """What a list shows: the caller's own volumes, or everyone's, that pass the filters. Raises BadRequest."""
    found: list[Condition] = [] if everyone else [volumes.c.project_id == ctx.project_id]
    if wanted.nothing:
        return [sa.false()]
    for key, value in wanted.filters.items():
        found.append(_condition(key.removesuffix("~"), value, like=key.endswith("~"), now=now))
    return found


def _condition(key: str, value: Any, *, like: bool, now: int) -> Condition:
    if key in ("metadata", "glance_metadata"):
        return _has_metadata("user" if key == "metadata" else "image", value)
    if key in ("bootable", "encrypted", "multiattach", "consumes_quota"):
        return volumes.c[key] if _flag(key, value) else sa.not_(volumes.c[key])
    if key in ("created_at", "updated_at"):
        return between(volumes.c[key], str(value))
    column = volumes.c[{"display_name": "name", "tenant_id": "project_id"}.get(key, key)]
    if key == "size":
        return column == int(value) if str(value).isdigit() and len(str(value)) < 10 else sa.false()
    return listing.like(column, value) if like else listing.equals(column, value)


def _flag(key: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "t", "yes", "on", "y"):
        return True
    if text in ("false", "0", "f", "no", "off", "n"):
        return False
    raise BadRequest(f"Invalid input received: '{key} = {text[:64]}'")


def _has_metadata(kind: str, value: Any) -> Condition:
    """Every pair of a dict; a value that is none fits nothing."""
    if not isinstance(value, dict):
        return sa.false()
    pairs = []
    for name, text in list(value.items())[:128]:
        mine = sa.select(volume_metadata.c.volume_id).where(
            volume_metadata.c.kind == kind, volume_metadata.c.key == str(name), volume_metadata.c.value == str(text)
        )
        pairs.append(volumes.c.id.in_(mine))
    return sa.and_(sa.true(), *pairs)


def find(
    connection: Connection, where: list[Condition], wanted: Wanted, columns: Sequence[sa.Column[Any]]
) -> Sequence[Row[Any]]:
    """A page of these columns, the id first. Raises the 404 for an unknown marker."""
    return listing.page(
        connection,
        volumes,
        where,
        wanted,
        columns=columns,
        sorts=SORTS,
        unknown_marker=lambda marker: not_found("Volume", marker),
    )


def summary(connection: Connection, where: list[Condition]) -> tuple[int, int, dict[str, set[str]]]:
    """(how many, GiB, metadata: key -> its values) by two queries."""
    sums = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(volumes.c.size), 0)).where(*where)
    number, size = connection.execute(sums).one()
    own = volume_metadata.c.volume_id.in_(sa.select(volumes.c.id).where(*where))
    pairs = sa.select(volume_metadata.c.key, volume_metadata.c.value).where(volume_metadata.c.kind == "user", own)
    found: dict[str, set[str]] = {}
    for key, value in connection.execute(pairs.distinct()):
        found.setdefault(key, set()).add(value)
    return int(number), int(size), found


def update(volume: Volume, volume_id: str, values: dict[str, Any]) -> Row[Any]:
    """Name, description, metadata (all of it)."""
    with volume.db.write() as connection:
        load(connection, volume_id, lock=True)
        plain = dict(values)
        metadata = plain.pop("metadata", None)
        if plain:
            change(connection, volume_id, volume.now(), **plain)
        if metadata is not None:
            set_metadata(connection, volume_id, "user", metadata, volume.now())
        return load(connection, volume_id)


def metadata_of(row: Row[Any], kind: str = "user") -> Metadata:
    text = row.metadata if kind == "user" else row.image_metadata
    return msgspec.json.decode(text, type=dict[str, str])


def set_metadata(connection: Connection, volume_id: str, kind: str, values: Metadata, now: int) -> None:
    """Replace all of it, in the row and in the index. The caller has locked the row."""
    connection.execute(
        sa.delete(volume_metadata).where(volume_metadata.c.volume_id == volume_id, volume_metadata.c.kind == kind)
    )
    enter_metadata(connection, volume_id, kind, values)
    column = "metadata" if kind == "user" else "image_metadata"
    change(connection, volume_id, now, **{column: encode(values)})


def enter_metadata(connection: Connection, volume_id: str, kind: str, values: Metadata) -> None:
    """The index of a row's metadata, where there is none yet. Values are cut to what can be searched for."""
    rows = [
        {"volume_id": volume_id, "kind": kind, "key": key[:255], "value": value[:255]} for key, value in values.items()
    ]
    if rows:
        connection.execute(sa.insert(volume_metadata), rows)


def edit_metadata(
    volume: Volume, volume_id: str, kind: str, values: Metadata, *, replace: bool = False, remove: str | None = None
) -> Metadata:
    """Add or replace some, replace all, or remove one. Raises NotFound for a key that is not there."""
    with volume.db.write() as connection:
        row = load(connection, volume_id, lock=True)
        found = {} if replace else metadata_of(row, kind)
        if remove is not None and remove not in found:
            if kind == "image":
                raise NotFound(f"Metadata item was not found: {remove}")
            raise NotFound(f"Volume {volume_id} has no metadata with key {remove}.")
        found = {key: value for key, value in (found | values).items() if key != remove}
        set_metadata(connection, volume_id, kind, found, volume.now())
        return found


def set_admin_metadata(connection: Connection, row: Row[Any], **values: str | None) -> None:
    """`readonly`, `attached_mode`: shown with the metadata; None takes one away."""
    found = decode(row.admin_metadata) | values
    text = encode({key: value for key, value in found.items() if value is not None})
    connection.execute(sa.update(volumes).where(volumes.c.id == row.id).values(admin_metadata=text))


def refresh_attachments(connection: Connection, volume_id: str) -> None:
    """Repeat in the row what the attachments say. To be called after each change of them."""
    query = sa.select(attachments).where(
        attachments.c.volume_id == volume_id, attachments.c.attach_status == "attached"
    )
    shown = [
        {
            "id": volume_id,
            "attachment_id": row.id,
            "volume_id": volume_id,
            "server_id": row.instance_id,
            "host_name": row.attached_host,
            "device": row.mountpoint,
            "attached_at": row.attached_at,
        }
        for row in connection.execute(query.order_by(attachments.c.created_at, attachments.c.id))
    ]
    connection.execute(sa.update(volumes).where(volumes.c.id == volume_id).values(attachments=encode(shown)))


def type_of(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    """The volume's type as a row."""
    if row.volume_type_id is None:
        return None
    return connection.execute(_TYPE, {"type_id": row.volume_type_id}).first()
