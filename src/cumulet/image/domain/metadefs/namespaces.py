"""Namespaces: who sees them, and what stands in them."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from cumulet.image.domain.metadefs import objects, properties, resource_types, tags
from cumulet.image.schemas.metadefs import Namespace
from cumulet.image.service import ImageService
from cumulet.image.tables import metadef_namespaces as table
from cumulet.kernel.context import Context
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from cumulet.kernel.ids import uuid_id

SORT_KEYS = ("created_at", "updated_at", "namespace", "display_name", "visibility", "owner", "id")


class Contents(NamedTuple):
    """What stands in a namespace, in the forms of the modules of these names."""

    objects: list[objects.Object]
    properties: dict[str, dict[str, Any]]
    tags: list[tags.Tag]
    resource_types: list[resource_types.Association]


class Rules:
    """The access rules about one namespace, asked for one caller."""

    def __init__(self, service: ImageService, ctx: Context) -> None:
        self.service = service
        self.ctx = ctx
        self.is_admin = service.is_admin(ctx)

    def check(self, rule: str, namespace: Row[Any] | None = None) -> None:
        """Raises Forbidden, or NotFound for a namespace that the caller may not see."""
        target = {"project_id": self.ctx.project_id}
        if namespace is not None:
            target = {"project_id": namespace.owner, "visibility": namespace.visibility}
        policy = self.service.policy
        if policy.allows(self.ctx, rule, target):
            return
        if namespace is not None and (
            rule == "get_metadef_namespace" or not policy.allows(self.ctx, "get_metadef_namespace", target)
        ):
            raise NotFound("The resource could not be found.")
        raise Forbidden(f"You are not authorized to complete {rule} action.")

    def sees(self, namespace: Row[Any]) -> bool:
        mine = self.is_admin or namespace.visibility == "public" or namespace.owner == self.ctx.project_id
        target = {"project_id": namespace.owner, "visibility": namespace.visibility}
        return mine and self.service.policy.allows(self.ctx, "get_metadef_namespace", target)


def load(connection: Connection, rules: Rules, name: str, *, lock: bool = False) -> Row[Any]:
    """Raises NotFound, also for a private namespace of others."""
    query = sa.select(table).where(table.c.namespace == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    hidden = row is not None and row.visibility != "public" and row.owner != rules.ctx.project_id
    if row is None or (hidden and not rules.is_admin):
        raise NotFound(f"Metadata definition namespace={name} was not found.")
    return row


def find(
    service: ImageService,
    rules: Rules,
    *,
    visibility: str | None,
    resource_type_names: list[str],
    sort_key: str,
    descending: bool,
    limit: int,
    marker: str | None,
) -> tuple[list[Row[Any]], dict[str, list[resource_types.Association]]]:
    """(namespaces, their associations by namespace id). Raises NotFound for an unknown marker."""
    if sort_key not in SORT_KEYS:
        raise BadRequest("Sort key supplied was not valid.")
    query = sa.select(table)
    if not rules.is_admin:
        query = query.where(sa.or_(table.c.visibility == "public", table.c.owner == rules.ctx.project_id))
    if visibility is not None:
        query = query.where(table.c.visibility == visibility)
    if resource_type_names:
        query = query.where(table.c.id.in_(resource_types.namespaces_with(resource_type_names)))
    order = list(dict.fromkeys([sort_key, "created_at", "id"]))
    columns = [sa.func.coalesce(table.c[key], "") if key == "display_name" else table.c[key] for key in order]
    with service.db.read() as connection:
        if marker is not None:
            last = load(connection, rules, marker)
            query = query.where(_after(columns, [getattr(last, key) or "" for key in order], descending=descending))
        query = query.order_by(*(column.desc() if descending else column.asc() for column in columns)).limit(limit)
        rows = [row for row in connection.execute(query) if rules.sees(row)]
        return rows, resource_types.of_namespaces(connection, [row.id for row in rows])


def _after(columns: list[Any], values: list[Any], *, descending: bool) -> sa.ColumnElement[bool]:
    alternatives = []
    for index, (column, value) in enumerate(zip(columns, values, strict=True)):
        equal = [before == values[at] for at, before in enumerate(columns[:index])]
        alternatives.append(sa.and_(*equal, column < value if descending else column > value))
    return sa.or_(*alternatives)


def show(service: ImageService, rules: Rules, name: str) -> tuple[Row[Any], Contents]:
    """Raises NotFound, Forbidden."""
    with service.db.read() as connection:
        namespace = load(connection, rules, name)
        rules.check("get_metadef_namespace", namespace)
        for rule in (
            "list_metadef_resource_types",
            "get_metadef_objects",
            "get_metadef_properties",
            "get_metadef_tags",
        ):
            rules.check(rule, namespace)
        return namespace, Contents(
            objects.of_namespace(connection, namespace.id),
            properties.of_namespace(connection, namespace.id),
            tags.of_namespace(connection, namespace.id),
            resource_types.of_namespaces(connection, [namespace.id]).get(namespace.id, []),
        )


def create(service: ImageService, given: Namespace, owner: str) -> Row[Any]:
    """A namespace with all that stands in it. Raises Conflict for names in use."""
    values = msgspec.structs.asdict(given)
    now = service.now()
    row = {
        "id": uuid_id(),
        "namespace": given.namespace,
        "display_name": _or(values["display_name"], None),
        "description": _or(values["description"], None),
        "visibility": _or(values["visibility"], "private"),
        "protected": _or(values["protected"], False),
        "owner": _or(values["owner"], owner),
        "created_at": now,
        "updated_at": now,
    }
    try:
        with service.db.write() as connection:
            connection.execute(sa.insert(table).values(**row))
            fill(connection, row["id"], given, now)
            return connection.execute(sa.select(table).where(table.c.id == row["id"])).one()
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(_in_use(error, given)) from None
        raise


def fill(connection: Connection, namespace_id: str, given: Namespace, now: int) -> None:
    """Put what a namespace's body brings along into it."""
    for association in _or(given.resource_type_associations, []):
        resource_types.insert(connection, namespace_id, association, now)
    for one in _or(given.objects, []):
        objects.insert(connection, namespace_id, one, now)
    for name, definition in _or(given.properties, {}).items():
        properties.insert(connection, namespace_id, name, definition, now)
    for tag in _or(given.tags, []):
        tags.insert(connection, namespace_id, tag.name, now)


def _or(value: Any, default: Any) -> Any:
    return default if value is UNSET else value


def _in_use(error: IntegrityError, given: Namespace) -> str:
    """Which name was in use already: the statement that failed tells the table."""
    if "metadef_namespaces" in str(error.statement):
        return f"The metadata definition namespace={given.namespace} already exists."
    return f"A name is given twice in the metadata definition namespace={given.namespace}."


def update(service: ImageService, rules: Rules, name: str, given: Namespace) -> Row[Any]:
    """Replace a namespace's attributes. Raises NotFound, Forbidden, Conflict."""
    values = {
        "namespace": given.namespace,
        "display_name": _or(given.display_name, None),
        "description": _or(given.description, None),
        "visibility": _or(given.visibility, "private"),
        "protected": _or(given.protected, False),
        "owner": _or(given.owner, rules.ctx.project_id or ""),
        "updated_at": service.now(),
    }
    try:
        with service.db.write() as connection:
            row = load_named(connection, rules, name)
            rules.check("modify_metadef_namespace", row)
            connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
            return connection.execute(sa.select(table).where(table.c.id == row.id)).one()
    except IntegrityError as error:
        if violates_unique(error):
            raise Conflict(f"The metadata definition namespace={given.namespace} already exists.") from None
        raise


def load_named(connection: Connection, rules: Rules, name: str) -> Row[Any]:
    """For changes: locked. Raises NotFound in the words of most operations."""
    return load_readable(connection, rules, name, lock=True)


def load_readable(connection: Connection, rules: Rules, name: str, *, lock: bool = False) -> Row[Any]:
    """Like `load`, with the words of most operations."""
    try:
        return load(connection, rules, name, lock=lock)
    except NotFound:
        raise NotFound(f"Namespace {name} not found") from None


def delete(service: ImageService, rules: Rules, name: str) -> None:
    """With all that stands in it. Raises NotFound, Forbidden for a protected one."""
    with service.db.write() as connection:
        row = load_named(connection, rules, name)
        rules.check("delete_metadef_namespace", row)
        _check_unprotected(row)
        connection.execute(sa.delete(table).where(table.c.id == row.id))


def empty(service: ImageService, rules: Rules, name: str, contents: str) -> None:
    """Delete all `objects`, `properties` or `tags`. Raises NotFound, Forbidden for a protected namespace."""
    modules = {"objects": objects, "properties": properties, "tags": tags}
    with service.db.write() as connection:
        row = load_named(connection, rules, name)
        rules.check("delete_metadef_namespace", row)
        if contents == "tags":
            rules.check("delete_metadef_tags", row)
        _check_unprotected(row)
        modules[contents].delete_all(connection, row.id)


def _check_unprotected(row: Row[Any]) -> None:
    if row.protected:
        raise Forbidden(f"Metadata definition namespace {row.namespace} is protected and cannot be deleted.")
