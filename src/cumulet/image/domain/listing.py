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
    limit_arms: bool


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
        # SQLite merges sorted arms as it goes and takes no limit in them; others would fetch each arm to its end.
        limit_arms=connection.dialect.name != "sqlite",
    )
    return connection.execute(_statement(shape), values).all()  # type: ignore[return-value]


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
def _statement(shape: _Shape) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    common = [images.c.status != "killed", *_filters(shape)]
    if shape.has_marker:
        common += _after_marker(shape.sort)
    arms = [sa.select(*SHOWN).where(*conditions, *common) for conditions in _visible(shape)]
    limit: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)
    if len(arms) == 1:
        return arms[0].order_by(*_order(shape, images.c)).limit(limit)
    if shape.limit_arms:
        arms = [arm.order_by(*_order(shape, images.c)).limit(limit) for arm in arms]
    union = sa.union_all(*arms)
    if any(key in _NULLABLE for key, _ in shape.sort):
        together = union.subquery()
        return sa.select(together).order_by(*_order(shape, together.c)).limit(limit)
    return union.order_by(*_order(shape, union.selected_columns)).limit(limit)


def _visible(shape: _Shape) -> list[list[sa.ColumnElement[bool]]]:
    """What the caller may see: the conditions of disjoint sets, each of which has an index in the usual order.

    In one statement with OR, databases read and sort all a caller may see to find the latest few.
    """
    visibility, owner = images.c.visibility, images.c.owner
    mine = owner == sa.bindparam("project_id")
    wanted = [visibility == sa.bindparam("visibility")] if shape.visibility == "one" else []
    if shape.is_admin:
        if shape.visibility is not None:
            return [wanted]
        others = visibility != "community"
        return [[sa.or_(mine, others) if shape.has_project else others]]
    not_mine = [sa.or_(owner != sa.bindparam("project_id"), owner.is_(None))] if shape.has_project else []
    arms = [[visibility == "public", *not_mine, *wanted]]
    if shape.visibility is not None:
        arms.append([visibility == "community", *not_mine, *wanted])
    if shape.has_project:
        arms.append([visibility == "shared", *not_mine, images.c.id.in_(_shared_with_me(shape)), *wanted])
        arms.append([mine, *wanted])
    return arms


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


def _order(shape: _Shape, columns: Any) -> list[sa.ColumnElement[Any]]:
    sortable = [(_sortable(columns, key), direction) for key, direction in shape.sort]
    return [column.desc() if direction == "desc" else column.asc() for column, direction in sortable]


def _sortable(columns: Any, key: str) -> sa.ColumnElement[Any]:
    """A column without NULL, which databases sort in different places."""
    column: sa.ColumnElement[Any] = columns[key]
    return sa.func.coalesce(column, _NULLABLE[key]) if key in _NULLABLE else column


def _after_marker(sort: tuple[tuple[str, str], ...]) -> list[sa.ColumnElement[bool]]:
    """Rows after the marker in a lexicographic order of mixed directions."""
    alternatives: list[sa.ColumnElement[bool]] = []
    for index, (key, direction) in enumerate(sort):
        equal = [_sortable(images.c, before) == sa.bindparam(f"marker_{before}") for before, _ in sort[:index]]
        column = _sortable(images.c, key)
        bound: sa.BindParameter[Any] = sa.bindparam(f"marker_{key}")
        alternatives.append(sa.and_(*equal, column < bound if direction == "desc" else column > bound))
    key, direction = sort[0]
    first, bound = _sortable(images.c, key), sa.bindparam(f"marker_{key}")
    # The first condition follows from the second; an index is of use for it alone.
    return [first <= bound if direction == "desc" else first >= bound, sa.or_(*alternatives)]
