"""The standard namespaces: loading them from files, taking them away, and writing namespaces to files."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.image.domain.metadefs import objects, properties, resource_types, tags
from cumulet.image.domain.metadefs.namespaces import fill
from cumulet.image.schemas.metadefs import Namespace, parse
from cumulet.image.service import ImageService
from cumulet.image.tables import metadef_namespaces as table
from cumulet.image.tables import metadef_resource_types
from cumulet.kernel.errors import ApiError
from cumulet.kernel.ids import uuid_id

OWNER = "admin"  # as the original's loader has it


class MetadefsError(Exception):
    """A file cannot be loaded; the message names it and says why."""


@dataclass(frozen=True)
class Loaded:
    new: int
    changed: int
    left: int


def directory() -> Path:
    return Path(str(importlib.resources.files("cumulet.image") / "metadefs"))


def ensure(service: ImageService) -> None:
    """Load the standard namespaces into a cloud that has never had any."""
    with service.db.read() as connection:
        known = connection.execute(sa.select(metadef_resource_types.c.id).limit(1)).first()
    if known is None:
        load(service)


def load(
    service: ImageService,
    path: Path | None = None,
    *,
    merge: bool = False,
    prefer_new: bool = False,
    overwrite: bool = False,
) -> Loaded:
    """Load the files of a directory, or one file. A namespace that is there already is left alone.

    With `merge` what it lacks is added; with `prefer_new` too, what both have becomes the file's; `overwrite` puts the
    file's namespace in its place. Raises MetadefsError.
    """
    given = [_read(file) for file in _files(path or directory())]
    new = changed = left = 0
    with service.db.write() as connection:
        for one in given:
            row = connection.execute(sa.select(table).where(table.c.namespace == one.namespace)).first()
            if row is None:
                _insert(service, connection, one)
                new += 1
            elif overwrite and not merge:
                connection.execute(sa.delete(table).where(table.c.id == row.id))
                _insert(service, connection, one)
                changed += 1
            elif merge:
                _merge(service, connection, row.id, one, prefer_new=prefer_new)
                changed += 1
            else:
                left += 1
    return Loaded(new, changed, left)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MetadefsError(f"{path}: there is no such file or directory")
    return sorted(path.glob("*.json"))


def _read(file: Path) -> Namespace:
    try:
        body = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        # Files written by the original's exporter also tell what only a service sets.
        for name in ("self", "schema", "created_at", "updated_at"):
            body.pop(name, None)
        return parse(body, Namespace)
    except (msgspec.DecodeError, OSError) as error:
        raise MetadefsError(f"{file}: {error}") from error
    except ApiError as error:
        raise MetadefsError(f"{file}: {error.message}") from error


def _insert(service: ImageService, connection: Connection, given: Namespace) -> None:
    now = service.now()
    plain = _plain(given)
    row = {
        "id": uuid_id(),
        "namespace": given.namespace,
        "display_name": plain.get("display_name"),
        "description": plain.get("description"),
        "visibility": plain.get("visibility", "public"),
        "protected": plain.get("protected", False),
        "owner": plain.get("owner", OWNER),
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(sa.insert(table).values(**row))
    fill(connection, str(row["id"]), given, now)


def _plain(given: Namespace) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(given)
    return plain


def _merge(
    service: ImageService, connection: Connection, namespace_id: str, given: Namespace, *, prefer_new: bool
) -> None:
    """Add what is missing; with `prefer_new` the file also decides what both have."""
    there = {
        "objects": {one["name"] for one in objects.of_namespace(connection, namespace_id)},
        "properties": set(properties.of_namespace(connection, namespace_id)),
        "tags": {one["name"] for one in tags.of_namespace(connection, namespace_id)},
        "resource_type_associations": {
            one["name"] for one in resource_types.of_namespaces(connection, [namespace_id]).get(namespace_id, [])
        },
    }
    if prefer_new:
        plain = _plain(given)
        values = {name: plain[name] for name in ("display_name", "description", "visibility") if name in plain}
        connection.execute(
            sa.update(table).where(table.c.id == namespace_id).values(**values, updated_at=service.now())
        )
        _drop(connection, namespace_id, given, there)
        there = {name: set() for name in there}
    fill(connection, namespace_id, _without(given, there), service.now())


def _drop(connection: Connection, namespace_id: str, given: Namespace, there: dict[str, set[str]]) -> None:
    """Make room for what the file has under names in use."""
    for name in _names(given, "objects") & there["objects"]:
        objects.delete(connection, namespace_id, name)
    for name in _names(given, "properties") & there["properties"]:
        properties.delete(connection, namespace_id, name)
    for name in _names(given, "tags") & there["tags"]:
        tags.delete(connection, namespace_id, name)
    for name in _names(given, "resource_type_associations") & there["resource_type_associations"]:
        resource_types.delete(connection, namespace_id, name)


def _names(given: Namespace, contents: str) -> set[str]:
    value: Any = getattr(given, contents)
    if value is msgspec.UNSET:
        return set()
    return set(value) if isinstance(value, dict) else {one.name for one in value}


def _without(given: Namespace, there: dict[str, set[str]]) -> Namespace:
    left: dict[str, Any] = {}
    for contents, names in there.items():
        value: Any = getattr(given, contents)
        if isinstance(value, dict):
            left[contents] = {name: one for name, one in value.items() if name not in names}
        elif value is not msgspec.UNSET:
            left[contents] = [one for one in value if one.name not in names]
    return msgspec.structs.replace(given, **left)


def unload(service: ImageService) -> int:
    """Delete every namespace and resource type. Returns how many namespaces."""
    with service.db.write() as connection:
        done = connection.execute(sa.delete(table))
        connection.execute(sa.delete(metadef_resource_types))
        return int(done.rowcount)


def export(service: ImageService, target: Path) -> int:
    """Write each namespace into a file of the directory. Returns how many."""
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, body in _exported(service):
        file = target / f"{name.replace('/', '_').replace('::', '-')}.json"
        file.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=4) + b"\n")
        count += 1
    return count


def _exported(service: ImageService) -> Iterator[tuple[str, dict[str, Any]]]:
    with service.db.read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.namespace)).all()
        associations = resource_types.of_namespaces(connection, [row.id for row in rows])
        for row in rows:
            body: dict[str, Any] = {
                "namespace": row.namespace,
                "display_name": row.display_name,
                "description": row.description,
                "visibility": row.visibility,
                "protected": row.protected,
                "owner": row.owner,
                "resource_type_associations": [_named(one) for one in associations.get(row.id, [])],
                "properties": properties.of_namespace(connection, row.id),
                "objects": [_named(one) for one in objects.of_namespace(connection, row.id)],
                "tags": [{"name": one["name"]} for one in tags.of_namespace(connection, row.id)],
            }
            yield row.namespace, {name: value for name, value in body.items() if value not in (None, [], {})}


def _named(one: dict[str, Any]) -> dict[str, Any]:
    """Without what a file does not hold."""
    return {
        name: value for name, value in one.items() if value is not None and name not in ("created_at", "updated_at")
    }
