"""Segments as a resource of their own (extension segment): networks may have several, subnets may be on one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base, networks
from cumulet.network.domain import segments as allocation
from cumulet.network.domain.source import Shown, Source
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import segment_allocations, segments, subnets


def missing(identifier: str) -> NotFound:
    return NotFound(f"Segment {identifier} could not be found.", code="SegmentNotFound")


def _none_if_empty(name: str) -> str | None:
    return name or None


SOURCE = Source(
    segments,
    missing,
    (
        "id",
        "network_id",
        "network_type",
        "physical_network",
        "segmentation_id",
        "name",
        "description",
        "revision_number",
        "created_at",
        "updated_at",
        "tags",
    ),
    where={"name": Shown(segments.c.name, _none_if_empty)},
    filters=base.tag_filters(segments),
)


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises NotFound for the network, and what `segments.allocate` raises."""
    parent = networks.load(connection, values["network_id"], ctx, lock=True)
    last = sa.select(sa.func.max(segments.c.segment_index)).where(segments.c.network_id == parent.id)
    index = connection.execute(last).scalar()
    wanted = {key: values.get(key) for key in ("network_type", "physical_network", "segmentation_id")}
    segment_id = allocation.allocate_one(network, connection, parent, wanted, 0 if index is None else index + 1)
    names = {key: values[key] for key in ("name", "description") if values.get(key)}
    if names:
        connection.execute(sa.update(segments).where(segments.c.id == segment_id).values(**names))
    _refresh(network, connection, parent.id)
    return segment_id


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    given = {key: value or "" for key, value in values.items()}
    base.change(network, connection, segments, row.id, **given)


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while subnets are on it."""
    used = list(connection.execute(sa.select(subnets.c.id).where(subnets.c.segment_id == row.id)).scalars())
    if used:
        raise conflict(
            "SegmentInUse",
            f"Segment '{row.id}' cannot be deleted: The segment is still associated with subnet(s) {used}.",
        )
    connection.execute(sa.delete(segment_allocations).where(segment_allocations.c.segment_id == row.id))
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(segments).where(segments.c.id == row.id))
    _refresh(network, connection, row.network_id)


def _refresh(network: Network, connection: Connection, network_id: str) -> None:
    """A network shows the provider attributes of its only segment, and none of its own with several."""
    rows = connection.execute(sa.select(segments).where(segments.c.network_id == network_id)).all()
    names = ("network_type", "physical_network", "segmentation_id")
    only = rows[0] if len(rows) == 1 else None
    shown = {name: None if only is None else getattr(only, name) for name in names}
    base.change(network, connection, network_table, network_id, **shown)
    network.touch("network", network_id)


def require_of_network(connection: Connection, segment_id: str, network_id: str) -> None:
    """Raises NotFound for a segment that is none of the network's."""
    row = SOURCE.load(connection, segment_id)
    if row.network_id != network_id:
        raise missing(segment_id)
