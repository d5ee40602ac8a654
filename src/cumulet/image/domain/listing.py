"""Listing images: one statement whatever the length, made once for every shape of query."""

from __future__ import annotations

import functools
import operator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.image.domain import records
from cumulet.image.domain.records import SHOWN
from cumulet.image.schemas.listing import ListQuery
from cumulet.image.tables import image_members, image_properties, image_tags, images
from cumulet.kernel.context import Context
from cumulet.kernel.errors import BadRequest, NotFound

_COMPARE = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_NULLABLE = {"name": "", "container_format": "", "disk_format": "", "size": 0}


class _Shape(NamedTuple):
    """What decides the text of the statement; values are bound when it runs."""

    is_admin: bool
    has_project: bool
    visibility: str | None
    any_member_status: bool
    sort: tuple[tuple[str, str], ...]
    has_marker: bool
    filters: tuple[tuple[str, str], ...]
    tags: int
    properties: int


def find(connection: Connection, ctx: Context, query: ListQuery, *, limit: int, is_admin: bool) -> list[Any]:
    """Rows of `records.SHOWN` that the caller may know of. Raises BadRequest for a marker that is not among them."""
    values: dict[str, Any] = {"limit": limit}
    if query.marker is not None:
        values.update(_marker_values(connection, ctx, query, is_admin=is_admin))
    if ctx.project_id is not None:
        values["project_id"] = ctx.project_id
    if query.visibility is not None:
        values["visibility"] = query.visibility
    values["member_status"] = query.member_status
    for index, one in enumerate(query.filters):
        values[f"filter{index}"] = one.value
    for index, tag in enumerate(query.tags):
        values[f"tag{index}"] = tag
    for index, (name, value) in enumerate(query.properties):
        values[f"property{index}"] = records.digest(name, value)
    shape = _Shape(
        is_admin=is_admin,
        has_project=ctx.project_id is not None,
        visibility=query.visibility if query.visibility in (None, "all") else "one",
        any_member_status=query.member_status == "all",
        sort=query.sort,
        has_marker=query.marker is not None,
        filters=tuple((one.column, one.operator) for one in query.filters),
        tags=len(query.tags),
        properties=len(query.properties),
    )
    return list(connection.execute(_statement(shape), values))


def _marker_values(connection: Connection, ctx: Context, query: ListQuery, *, is_admin: bool) -> dict[str, Any]:
    assert query.marker is not None
    try:
        image = records.load(connection, ctx, query.marker, is_admin=is_admin).image
    except NotFound as error:
        raise BadRequest(error.message) from None
    values: dict[str, Any] = {}
    for key, _ in query.sort:
        value = getattr(image, key)
        values[f"marker_{key}"] = _NULLABLE[key] if value is None else value
    return values


@functools.lru_cache(maxsize=256)
def _statement(shape: _Shape) -> sa.Select[Any]:
    statement = sa.select(*SHOWN).where(*_visibility(shape), *_filters(shape))
    if shape.has_marker:
        statement = statement.where(_after_marker(shape.sort))
    for key, direction in shape.sort:
        column = _sortable(key)
        statement = statement.order_by(column.desc() if direction == "desc" else column.asc())
    return statement.limit(sa.bindparam("limit", type_=sa.Integer))


def _visibility(shape: _Shape) -> list[sa.ColumnElement[bool]]:
    visibility, owner = images.c.visibility, images.c.owner
    conditions: list[sa.ColumnElement[bool]] = [images.c.status != "killed"]
    mine = owner == sa.bindparam("project_id") if shape.has_project else None
    if not shape.is_admin:
        seen: list[sa.ColumnElement[bool]] = [visibility.in_(("public", "community"))]
        if mine is not None:
            seen += [mine, sa.and_(visibility == "shared", images.c.id.in_(_shared_with_me(shape)))]
        conditions.append(sa.or_(*seen))
    if shape.visibility == "one":
        conditions.append(visibility == sa.bindparam("visibility"))
    elif shape.visibility is None:
        others = visibility != "community"
        conditions.append(others if mine is None else sa.or_(mine, others))
    return conditions


def _shared_with_me(shape: _Shape) -> sa.Select[Any]:
    shared = sa.select(image_members.c.image_id).where(image_members.c.member_id == sa.bindparam("project_id"))
    if not shape.any_member_status:
        shared = shared.where(image_members.c.status == sa.bindparam("member_status"))
    return shared


def _filters(shape: _Shape) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for index, (name, operation) in enumerate(shape.filters):
        column = images.c[name]
        if operation == "in":
            conditions.append(column.in_(sa.bindparam(f"filter{index}", expanding=True)))
        else:
            conditions.append(_COMPARE[operation](column, sa.bindparam(f"filter{index}", type_=column.type)))
    for index in range(shape.tags):
        tagged = sa.select(image_tags.c.image_id).where(image_tags.c.tag == sa.bindparam(f"tag{index}"))
        conditions.append(images.c.id.in_(tagged))
    for index in range(shape.properties):
        digest = image_properties.c.digest == sa.bindparam(f"property{index}")
        conditions.append(images.c.id.in_(sa.select(image_properties.c.image_id).where(digest)))
    return conditions


def _sortable(key: str) -> sa.ColumnElement[Any]:
    """A column without NULL, which databases sort in different places."""
    column = images.c[key]
    return sa.func.coalesce(column, _NULLABLE[key]) if key in _NULLABLE else column


def _after_marker(sort: tuple[tuple[str, str], ...]) -> sa.ColumnElement[bool]:
    """Rows after the marker in a lexicographic order of mixed directions."""
    alternatives: list[sa.ColumnElement[bool]] = []
    for index, (key, direction) in enumerate(sort):
        equal = [_sortable(before) == sa.bindparam(f"marker_{before}") for before, _ in sort[:index]]
        column: sa.ColumnElement[Any] = _sortable(key)
        bound: sa.BindParameter[Any] = sa.bindparam(f"marker_{key}")
        alternatives.append(sa.and_(*equal, column < bound if direction == "desc" else column > bound))
    return sa.or_(*alternatives)
