"""Groups: users who are given roles together."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from cumulet.identity.domain import purge
from cumulet.identity.domain.listing import Listing, Page, Window, text_filters
from cumulet.identity.errors import not_found
from cumulet.identity.service import Identity
from cumulet.identity.tables import groups, memberships, projects
from cumulet.kernel.db import violates_unique
from cumulet.kernel.errors import BadRequest, Conflict
from cumulet.kernel.ids import hex_id


class Group(msgspec.Struct):
    id: str
    domain_id: str
    name: str
    description: str | None
    extra: dict[str, Any]


COLUMNS = (groups.c.id, groups.c.domain_id, groups.c.name, groups.c.description, groups.c.extra)
_BY_ID = sa.select(*COLUMNS).where(groups.c.id == sa.bindparam("group_id"))
_DOMAIN_HELD = (
    sa.select(projects.c.id)
    .where(projects.c.id == sa.bindparam("domain_id"), projects.c.is_domain.is_(True))
    .with_for_update(read=True)
)
_FILTERS = {
    "domain_id": groups.c.domain_id == sa.bindparam("domain_id"),
    "within": groups.c.domain_id == sa.bindparam("within"),
    "name": groups.c.name == sa.bindparam("name"),
    "of_user": groups.c.id.in_(
        sa.select(memberships.c.group_id).where(memberships.c.user_id == sa.bindparam("of_user"))
    ),
    **text_filters("name", groups.c.name),
}
LISTING = Listing(sa.select(*COLUMNS), groups.c.id, _FILTERS)


def find(identity: Identity, filters: dict[str, Any], window: Window) -> Page:
    """Rows of COLUMNS that meet the filters, sorted by id. One query.

    Filters by name: `domain_id`, `within` (a domain id too), `name`, `name__contains`…, `of_user` (a member's id).
    Raises NotFound for an unknown marker.
    """
    with identity.db.read() as connection:
        return LISTING.page(connection, filters.keys(), filters, window)


def load(connection: Connection, group_id: str, *, lock: bool = False) -> Group:
    """Raises NotFound."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"group_id": group_id}).first()
    if row is None:
        raise not_found("group", group_id)
    return Group(row.id, row.domain_id, row.name, row.description, msgspec.json.decode(row.extra))


def show(identity: Identity, group_id: str) -> Group:
    """Raises NotFound."""
    with identity.db.read() as connection:
        return load(connection, group_id)


def _row(group: Group) -> dict[str, Any]:
    return {**msgspec.structs.asdict(group), "extra": msgspec.json.encode(group.extra).decode()}


def create(identity: Identity, values: dict[str, Any], extra: dict[str, Any]) -> Group:
    """`values`: `name`, `domain_id`, and `description` if given. Raises NotFound for the domain, or Conflict."""
    group = Group(hex_id(), values["domain_id"], values["name"], values.get("description", ""), extra)
    try:
        with identity.db.write() as connection:
            if connection.execute(_DOMAIN_HELD, {"domain_id": group.domain_id}).first() is None:
                raise not_found("domain", group.domain_id)
            connection.execute(sa.insert(groups), _row(group))
            return group
    except IntegrityError as error:
        raise _duplicate(error, group, f" at domain ID {group.domain_id}") from None


def _duplicate(error: IntegrityError, group: Group, where: str = "") -> Exception:
    if not violates_unique(error):
        return error
    return Conflict(
        f"Conflict occurred attempting to store group - Duplicate entry found with name {group.name}{where}."
    )


def update(identity: Identity, group_id: str, values: dict[str, Any], extra: dict[str, Any]) -> Group:
    """Raises NotFound, BadRequest for another domain, or Conflict for a name in use."""
    changed: Group | None = None
    try:
        with identity.db.write() as connection:
            group = load(connection, group_id, lock=True)
            if "domain_id" in values and values["domain_id"] != group.domain_id:
                raise BadRequest("Cannot change Domain ID")
            given = {name: values[name] for name in ("name", "description") if name in values}
            changed = msgspec.structs.replace(group, **given, extra={**group.extra, **extra})
            row = _row(changed)
            connection.execute(sa.update(groups).where(groups.c.id == row.pop("id")).values(**row))
            return changed
    except IntegrityError as error:
        assert changed is not None
        raise _duplicate(error, changed) from None


def delete(identity: Identity, group_id: str) -> None:
    """Raises NotFound."""
    with identity.db.write() as connection:
        load(connection, group_id, lock=True)
        purge.group(connection, group_id)
