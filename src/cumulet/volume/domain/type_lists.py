"""Pages of volume types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.volume.domain import listing, types
from cumulet.volume.domain.listing import Condition, Wanted
from cumulet.volume.tables import volume_types

SORTS: Final[Mapping[str, sa.Column[Any]]] = {
    key: volume_types.c[key] for key in ("id", "name", "description", "is_public", "created_at", "updated_at")
}
FILTERS: Final = frozenset(("name", "description", "extra_specs", "id"))


def find(connection: Connection, ctx: Context, wanted: Wanted, *, public: bool | None) -> list[Row[Any]]:
    """A page of the types that the caller may use. Raises the 404 for an unknown marker."""
    where: list[Condition] = []
    seen = types.visible(ctx)
    if seen is not None:
        where.append(seen)
    if public is not None:
        where.append(volume_types.c.is_public if public else sa.not_(volume_types.c.is_public))
    specs = None
    for key, value in wanted.filters.items():
        name = key.removesuffix("~")
        if name == "extra_specs":
            specs = value
        else:
            column = volume_types.c[name]
            where.append(listing.like(column, value) if key.endswith("~") else listing.equals(column, value))
    if specs is not None:
        # There are few types, and their extra specs are text.
        matching = [
            row.id for row in connection.execute(sa.select(volume_types)) if _has(types.extra_specs(row), specs)
        ]
        where.append(volume_types.c.id.in_(matching))
    return listing.page(
        connection,
        volume_types,
        where,
        wanted,
        sorts=SORTS,
        unknown_marker=lambda marker: NotFound(f"Volume type {marker} could not be found."),
    )


def _has(specs: dict[str, str], wanted: Any) -> bool:
    """Every pair; a list of zones in a spec has each of its zones."""
    if not isinstance(wanted, dict):
        return False
    for key, value in wanted.items():
        found = specs.get(str(key))
        if found is None or (found != str(value) and str(value) not in [each.strip() for each in found.split(",")]):
            return False
    return True
