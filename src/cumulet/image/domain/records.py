"""Images as rows: loading one, writing one, and keeping the index tables equal to it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.image.errors import image_not_found
from cumulet.image.tables import image_members, image_properties, image_tags, images
from cumulet.kernel.context import Context
from cumulet.kernel.prepared import Prepared

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Location = dict[str, Any]
"""{"url", "metadata": {"store": name, …}}"""


class Image(msgspec.Struct):
    """One image. The first columns are those that answers show, in this order (see `SHOWN`)."""

    id: str
    name: str | None = None
    status: str = "queued"
    visibility: str = "shared"
    owner: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    created_at: int = 0
    updated_at: int = 0
    properties: dict[str, str] = {}
    tags: list[str] = []
    locations: list[Location] = []
    stores: str = ""
    writer: str | None = None
    staged_on: str | None = None

    def columns(self) -> dict[str, Any]:
        """The row, in the order of `SHOWN` and then the columns that are not shown."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        stores = [str(place["metadata"]["store"]) for place in self.locations if place["metadata"].get("store")]
        values["properties"] = _encode(self.properties).decode()
        values["tags"] = _encode(self.tags).decode()
        values["locations"] = _encode(self.locations).decode()
        values["stores"] = ",".join(stores)
        values["location_count"] = len(self.locations)
        return values

    def shown(self) -> tuple[Any, ...]:
        """What `SHOWN` would select."""
        columns = self.columns()
        return tuple([columns[name] for name in SHOWN_NAMES])


SHOWN_NAMES = Image.__struct_fields__[:-2]
SHOWN = tuple(images.c[name] for name in SHOWN_NAMES)
"""The columns that an answer is made of: `views.image_json` takes them as one tuple."""
_ALL = (*SHOWN, images.c.writer, images.c.staged_on)
_PROPERTIES, _TAGS, _LOCATIONS = (SHOWN_NAMES.index(name) for name in ("properties", "tags", "locations"))

_ONE = sa.select(*_ALL).where(images.c.id == sa.bindparam("image_id"))
_BY_ID = Prepared(_ONE)
_LOCKED_BY_ID = Prepared(_ONE.with_for_update())
_SHOWN_BY_ID = Prepared(sa.select(*SHOWN).where(images.c.id == sa.bindparam("image_id")))
_MEMBERSHIP = Prepared(
    sa.select(image_members.c.member_id).where(
        image_members.c.image_id == sa.bindparam("image_id"), image_members.c.member_id == sa.bindparam("project_id")
    )
)
_INSERT = sa.insert(images)
_INSERT_PROPERTIES = sa.insert(image_properties)
_INSERT_TAGS = sa.insert(image_tags)


def of_row(row: Row[Any] | tuple[Any, ...]) -> Image:
    values = list(row)
    for index in (_PROPERTIES, _TAGS, _LOCATIONS):
        values[index] = _decode(values[index])
    return Image(*values)


def of_values(values: dict[str, Any]) -> Image:
    """The image that has these columns (see `Image.columns`)."""
    return of_row(tuple(values[name] for name in Image.__struct_fields__))


class Seen(msgspec.Struct):
    """An image as its caller sees it. `member_id` is the caller's project if the image is shared with it."""

    image: Image
    member_id: str | None

    def target(self) -> dict[str, Any]:
        """What policy rules look at: properties and attributes by their names, as the original's image target."""
        image = self.image
        attributes = {name: getattr(image, name) for name in SHOWN_NAMES[:18]}
        return {
            **image.properties,
            **attributes,
            "image_id": image.id,
            "project_id": image.owner,
            "member_id": self.member_id,
            "tags": image.tags,
        }


def load(connection: Connection, ctx: Context, image_id: str, *, is_admin: bool, lock: bool = False) -> Seen:
    """Raises NotFound for an image that is not there or that the caller may not know of."""
    row = (_LOCKED_BY_ID if lock else _BY_ID).first(connection, {"image_id": image_id})
    if row is None:
        raise image_not_found(image_id)
    image = of_row(row)
    return Seen(image, visible(connection, ctx, image, is_admin=is_admin))


def load_shown(connection: Connection, ctx: Context, image_id: str, *, is_admin: bool) -> Row[Any]:
    """The row of `SHOWN` of an image. Raises NotFound as `load` does."""
    row: Row[Any] | None = _SHOWN_BY_ID.first(connection, {"image_id": image_id})
    if row is None:
        raise image_not_found(image_id)
    visible(connection, ctx, row, is_admin=is_admin)
    return row


def load_any(connection: Connection, image_id: str, *, lock: bool = False) -> Image | None:
    """For jobs and the service itself, which act for nobody."""
    row = (_LOCKED_BY_ID if lock else _BY_ID).first(connection, {"image_id": image_id})
    return None if row is None else of_row(row)


def visible(connection: Connection, ctx: Context, image: Image | Row[Any], *, is_admin: bool) -> str | None:
    """The caller's membership, None where it needs none. Raises NotFound for who may not know of the image."""
    if is_admin or image.owner is None or image.visibility in ("public", "community"):
        return None
    if ctx.project_id is not None and ctx.project_id == image.owner:
        return None
    if image.visibility == "shared" and ctx.project_id is not None and is_member(connection, image.id, ctx.project_id):
        return ctx.project_id
    raise image_not_found(image.id)


def is_member(connection: Connection, image_id: str, project_id: str) -> bool:
    return _MEMBERSHIP.first(connection, {"image_id": image_id, "project_id": project_id}) is not None


def insert(connection: Connection, image: Image) -> dict[str, Any]:
    """Raises IntegrityError for an id in use. Returns the row."""
    row = image.columns()
    connection.execute(_INSERT, row)
    _index_properties(connection, image.id, image.properties)
    _index_tags(connection, image.id, image.tags)
    return row


def save(connection: Connection, before: Image, after: Image) -> None:
    """Write what changed of an image that is locked, and its index rows."""
    old, new = before.columns(), after.columns()
    changed = {name: value for name, value in new.items() if old[name] != value}
    if changed:
        connection.execute(sa.update(images).where(images.c.id == after.id).values(**changed))
    if before.properties != after.properties:
        gone = [name for name, value in before.properties.items() if after.properties.get(name) != value]
        if gone:
            connection.execute(
                sa.delete(image_properties).where(
                    image_properties.c.image_id == after.id, image_properties.c.name.in_(gone)
                )
            )
        new_ones = {name: value for name, value in after.properties.items() if before.properties.get(name) != value}
        _index_properties(connection, after.id, new_ones)
    if set(before.tags) != set(after.tags):
        removed = set(before.tags) - set(after.tags)
        if removed:
            connection.execute(
                sa.delete(image_tags).where(image_tags.c.image_id == after.id, image_tags.c.tag.in_(removed))
            )
        _index_tags(connection, after.id, sorted(set(after.tags) - set(before.tags)))


def delete(connection: Connection, image_id: str) -> None:
    """The image with everything that hangs on its row."""
    connection.execute(sa.delete(images).where(images.c.id == image_id))


def digest(name: str, value: str) -> str:
    """What `image_properties.digest` holds: 128 bits of the SHA-256 of name and value."""
    return hashlib.sha256(f"{name}\0{value}".encode()).hexdigest()[:32]


def _index_properties(connection: Connection, image_id: str, properties: dict[str, str]) -> None:
    if properties:
        rows = [{"image_id": image_id, "name": n, "digest": digest(n, v)} for n, v in properties.items()]
        connection.execute(_INSERT_PROPERTIES, rows)


def _index_tags(connection: Connection, image_id: str, tags: list[str]) -> None:
    if tags:
        connection.execute(_INSERT_TAGS, [{"image_id": image_id, "tag": tag} for tag in tags])
