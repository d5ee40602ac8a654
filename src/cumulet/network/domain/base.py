"""What every noun's rows have in common: standard columns, revisions, tags, JSON text, who may see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.context import Context
from cumulet.kernel.ids import uuid_id
from cumulet.network.attributes import Values
from cumulet.network.domain.source import CALLER, Condition, Filter, Thing, seen_as, sees_everything
from cumulet.network.service import Network
from cumulet.network.tables import rbac_policies, resource_tags

__all__ = ["sees_everything"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

STANDARD: Final = (
    "id",
    "project_id",
    "tenant_id",
    "description",
    "tags",
    "revision_number",
    "created_at",
    "updated_at",
)
NAMED: Final = (*STANDARD, "name")


def to_json(value: Any) -> str:
    return _encode(value).decode()


def from_json(text: str | None) -> Any:
    return None if text is None else _decode(text)


def new_row(network: Network, values: Values) -> Values:
    """`values` with the standard columns of a new row. The id may be given."""
    now = network.now()
    return {"id": uuid_id(), "tags": "[]", "revision_number": 0, "created_at": now, "updated_at": now, **values}


@cache
def _insertion(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


def insert(connection: Connection, table: sa.Table, row: Values) -> None:
    """Insert a row; the statement is built once a table and compiled once for a set of columns."""
    connection.execute(_insertion(table), row)


@cache
def _update(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    given: Values = {name: sa.bindparam(f"new_{name}") for name in names}
    counted = {"revision_number": table.c.revision_number + 1}
    return sa.update(table).where(table.c.id == sa.bindparam("sought")).values({**given, **counted})


def change(network: Network, connection: Connection, table: sa.Table, identifier: str, **values: Any) -> None:
    """Update a row and count its revision."""
    values["updated_at"] = network.now()
    given: Values = {f"new_{name}": value for name, value in values.items()}
    connection.execute(_update(table, tuple(values)), {"sought": identifier, **given})


_FORGET_TAGS = sa.delete(resource_tags).where(resource_tags.c.resource_id.in_(sa.bindparam("ids", expanding=True)))


def forget_tags(connection: Connection, *ids: str) -> None:
    """The tags of resources that go."""
    if ids:
        connection.execute(_FORGET_TAGS, {"ids": list(ids)})


def tag_filters(table: sa.Table) -> dict[str, Filter]:
    """`tags` (all of them), `tags-any`, `not-tags` (not all of them), `not-tags-any`; each value is a comma list."""

    def tagged(tags: list[str]) -> Condition:
        having = sa.select(resource_tags.c.resource_id).where(resource_tags.c.tag.in_(tags))
        return table.c.id.in_(having)

    def all_of(values: list[str]) -> Condition:
        return sa.and_(*(tagged([tag]) for tag in _tags(values)))

    def any_of(values: list[str]) -> Condition:
        return tagged(_tags(values))

    return {
        "tags": all_of,
        "tags-any": any_of,
        "not-tags": lambda values: sa.not_(all_of(values)),
        "not-tags-any": lambda values: sa.not_(any_of(values)),
    }


def _tags(values: list[str]) -> list[str]:
    return [tag for value in values for tag in value.split(",")]


def own(table: sa.Table) -> Condition:
    """Rows of the caller's project."""
    return table.c.project_id == CALLER


def own_or_shared(table: sa.Table, object_type: str) -> Condition:
    """Rows of the caller's project and those an RBAC policy shares with it or with everybody."""
    return sa.or_(table.c.project_id == CALLER, table.c.id.in_(shared_with_caller(object_type)))


def shared_with_caller(object_type: str, action: str = "access_as_shared") -> sa.Select[Any]:
    """Ids of objects that RBAC policies open to the caller's project."""
    return sa.select(rbac_policies.c.object_id).where(
        rbac_policies.c.object_type == object_type,
        rbac_policies.c.action == action,
        sa.or_(rbac_policies.c.target_project == CALLER, rbac_policies.c.target_project == "*"),
    )


def shared_ids(connection: Connection, ctx: Context, object_type: str) -> set[str]:
    """The objects of a kind that are shared with the caller's project, or with everybody."""
    return set(connection.execute(shared_with_caller(object_type), seen_as(ctx)).scalars())


def unshare(connection: Connection, object_type: str, identifier: str) -> None:
    """The policies of an object that goes."""
    connection.execute(
        sa.delete(rbac_policies).where(
            rbac_policies.c.object_type == object_type, rbac_policies.c.object_id == identifier
        )
    )


def chunks(ids: Iterable[str], size: int = 5000) -> Iterator[list[str]]:
    """Ids in portions that a database takes as parameters of one statement."""
    whole = list(ids)
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def share_with_all(
    connection: Connection,
    object_type: str,
    identifier: str,
    project_id: str,
    wanted: bool,
    action: str = "access_as_shared",
) -> None:
    """`shared` and `router:external` are policies for everybody: one mechanism, seen through attributes."""
    everybody = sa.and_(
        rbac_policies.c.object_type == object_type,
        rbac_policies.c.object_id == identifier,
        rbac_policies.c.action == action,
        rbac_policies.c.target_project == "*",
    )
    exists = connection.execute(sa.select(rbac_policies.c.id).where(everybody)).first() is not None
    if wanted and not exists:
        policy = {"id": uuid_id(), "project_id": project_id, "object_type": object_type, "object_id": identifier}
        connection.execute(sa.insert(rbac_policies).values(**policy, target_project="*", action=action))
    elif exists and not wanted:
        connection.execute(sa.delete(rbac_policies).where(everybody))


def show_sharing(object_type: str) -> Callable[[Network, Connection, Context, Sequence[Thing]], None]:
    """The `dress` of a noun: `shared` is also true for what is shared with the caller's project alone."""

    def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
        shared = shared_ids(connection, ctx, object_type)
        for thing in things:
            thing.shared = thing.id in shared

    return dress
