"""What every noun's rows have in common: standard columns, revisions, tags, JSON text, who may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel import clock
from cumulet.kernel.context import Context
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.service import Network
from cumulet.network.tables import rbac_policies, resource_tags

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def to_json(value: Any) -> str:
    return _encode(value).decode()


def from_json(text: str | None) -> Any:
    return None if text is None else _decode(text)


def raw(text: str | None) -> msgspec.Raw | None:
    """JSON that goes into an answer as it stands in the row, without being decoded."""
    return None if text is None else msgspec.Raw(text.encode())


def new_row(network: Network, values: Values) -> Values:
    """`values` with the standard columns of a new row. The id may be given."""
    now = network.now()
    return {"id": uuid_id(), "tags": "[]", "revision_number": 0, "created_at": now, "updated_at": now, **values}


def change(network: Network, connection: Connection, table: sa.Table, identifier: str, **values: Any) -> None:
    """Update a row and count its revision."""
    values["updated_at"] = network.now()
    values["revision_number"] = table.c.revision_number + 1
    connection.execute(sa.update(table).where(table.c.id == identifier).values(**values))


def standard_view(row: Row[Any]) -> dict[str, Any]:
    """id, project_id, tenant_id, description, tags, revision_number, created_at, updated_at (and name)."""
    view: dict[str, Any] = {
        "id": row.id,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "description": row.description,
        "tags": raw(row.tags),
        "revision_number": row.revision_number,
        "created_at": clock.iso(row.created_at),
        "updated_at": clock.iso(row.updated_at),
    }
    if hasattr(row, "name"):
        view["name"] = row.name
    return view


def tag_filters(table: sa.Table) -> dict[str, Callable[[list[str]], sa.ColumnElement[bool]]]:
    """`tags` (all of them), `tags-any`, `not-tags` (not all of them), `not-tags-any`; each value is a comma list."""

    def tagged(tags: list[str]) -> sa.ColumnElement[bool]:
        having = sa.select(resource_tags.c.resource_id).where(resource_tags.c.tag.in_(tags))
        return table.c.id.in_(having)

    def all_of(values: list[str]) -> sa.ColumnElement[bool]:
        return sa.and_(*(tagged([tag]) for tag in _tags(values)))

    def any_of(values: list[str]) -> sa.ColumnElement[bool]:
        return tagged(_tags(values))

    return {
        "tags": all_of,
        "tags-any": any_of,
        "not-tags": lambda values: sa.not_(all_of(values)),
        "not-tags-any": lambda values: sa.not_(any_of(values)),
    }


def _tags(values: list[str]) -> list[str]:
    return [tag for value in values for tag in value.split(",")]


def own(table: sa.Table) -> Callable[[Context], sa.ColumnElement[bool] | None]:
    """Rows of the caller's project; administrators see all."""

    def visible(ctx: Context) -> sa.ColumnElement[bool] | None:
        return None if sees_everything(ctx) else table.c.project_id == ctx.project_id

    return visible


def own_or_shared(table: sa.Table, object_type: str) -> Callable[[Context], sa.ColumnElement[bool] | None]:
    """Rows of the caller's project and those an RBAC policy shares with it or with everybody."""

    def visible(ctx: Context) -> sa.ColumnElement[bool] | None:
        if sees_everything(ctx):
            return None
        return sa.or_(table.c.project_id == ctx.project_id, table.c.id.in_(shared_with(ctx, object_type)))

    return visible


def shared_with(ctx: Context, object_type: str, action: str = "access_as_shared") -> sa.Select[Any]:
    """Ids of objects that RBAC policies open to the caller's project."""
    return sa.select(rbac_policies.c.object_id).where(
        rbac_policies.c.object_type == object_type,
        rbac_policies.c.action == action,
        rbac_policies.c.target_project.in_([ctx.project_id or "", "*"]),
    )


def sees_everything(ctx: Context) -> bool:
    return ctx.is_admin or "service" in ctx.roles
