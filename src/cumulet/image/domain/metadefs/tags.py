"""Tags: words that resources may be marked with. Their names are told apart without regard to case."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.image.tables import metadef_tags as table
from cumulet.kernel.errors import BadRequest, Conflict, NotFound
from cumulet.kernel.ids import uuid_id

Tag = dict[str, Any]
"""{"name", "created_at", "updated_at"}"""
SORT_KEYS = ("created_at", "updated_at", "name", "id")


def _tag(row: Row[Any]) -> Tag:
    return {"name": row.name, "created_at": row.created_at, "updated_at": row.updated_at}


def of_namespace(connection: Connection, namespace_id: str) -> list[Tag]:
    return find(connection, namespace_id, "", sort_key="created_at", descending=True, limit=None, marker=None)


def find(
    connection: Connection,
    namespace_id: str,
    namespace: str,
    *,
    sort_key: str,
    descending: bool,
    limit: int | None,
    marker: str | None,
) -> list[Tag]:
    """Raises BadRequest for an unknown key to sort by, NotFound for an unknown marker."""
    if sort_key not in SORT_KEYS:
        raise BadRequest("Sort key supplied was not valid.")
    order = list(dict.fromkeys([sort_key, "created_at", "id"]))
    columns = [table.c[key] for key in order]
    query = sa.select(table).where(table.c.namespace_id == namespace_id)
    if marker is not None:
        last = _row(connection, namespace_id, namespace, marker)
        alternatives = []
        for index, column in enumerate(columns):
            equal = [before == getattr(last, order[at]) for at, before in enumerate(columns[:index])]
            value = getattr(last, order[index])
            alternatives.append(sa.and_(*equal, column < value if descending else column > value))
        query = query.where(sa.or_(*alternatives))
    query = query.order_by(*(column.desc() if descending else column.asc() for column in columns))
    if limit is not None:
        query = query.limit(limit)
    return [_tag(row) for row in connection.execute(query)]


def _named(namespace_id: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.namespace_id == namespace_id, sa.func.lower(table.c.name) == name.lower())


def _row(connection: Connection, namespace_id: str, namespace: str, name: str) -> Row[Any]:
    row = connection.execute(sa.select(table).where(*_named(namespace_id, name))).first()
    if row is None:
        raise NotFound(f"The metadata definition tag with name={name} was not found in namespace={namespace}.")
    return row


def get(connection: Connection, namespace_id: str, namespace: str, name: str) -> Tag:
    """Raises NotFound."""
    return _tag(_row(connection, namespace_id, namespace, name))


def check_free(connection: Connection, namespace_id: str, namespace: str, name: str) -> None:
    """Raises Conflict. The namespace must be locked."""
    if connection.execute(sa.select(table.c.id).where(*_named(namespace_id, name))).first() is not None:
        raise Conflict(
            f"A metadata tag with name={name} already exists in namespace={namespace}. (Please note that metadata "
            "tag names are case insensitive)."
        )


def insert(connection: Connection, namespace_id: str, name: str, now: int) -> None:
    """Raises IntegrityError for a name in use."""
    row = {"id": uuid_id(), "namespace_id": namespace_id, "name": name, "created_at": now, "updated_at": now}
    connection.execute(sa.insert(table).values(**row))


def rename(connection: Connection, namespace_id: str, name: str, new_name: str, now: int) -> None:
    connection.execute(sa.update(table).where(*_named(namespace_id, name)).values(name=new_name, updated_at=now))


def delete(connection: Connection, namespace_id: str, name: str) -> None:
    connection.execute(sa.delete(table).where(*_named(namespace_id, name)))


def delete_all(connection: Connection, namespace_id: str) -> None:
    connection.execute(sa.delete(table).where(table.c.namespace_id == namespace_id))
