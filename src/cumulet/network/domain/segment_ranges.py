"""Network segment ranges: which VLAN and VXLAN ids the networks of a project, or of all projects, come from.

Ids come from the ranges of the project, then from the shared ones; where there are no shared ones, from those in
ml2_conf.ini.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain.source import Source, Thing
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import networks, segment_allocations, segments
from cumulet.network.tables import segment_ranges as table

MAXIMUM: Final = {"vlan": 4094, "vxlan": 16_777_215}
_SHOWN_FREE: Final = 10_000
"""A range may hold millions: that many of its free ids are listed at most."""


def missing(identifier: str) -> NotFound:
    return NotFound(f"Network Segment Range {identifier} could not be found.", code="NetworkSegmentRangeNotFound")


SOURCE = Source(
    table,
    missing,
    (*base.NAMED, "default", "shared", "network_type", "physical_network", "minimum", "maximum"),
    extra=("used", "available"),
    filters=base.tag_filters(table),
)


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """Which ids are taken, by whose networks, and which are free."""
    used = _used(connection, things)
    for thing in things:
        mine = used[thing.id]
        thing.used = {str(number): project for number, project in mine.items()}
        free = (number for number in range(thing.minimum, thing.maximum + 1) if number not in mine)
        thing.available = list(islice(free, _SHOWN_FREE))


def _used(connection: Connection, windows: Sequence[Any]) -> dict[str, dict[int, str]]:
    """For each range the ids that networks have of it, and whose these are."""
    taken = segment_allocations.c
    within = [
        sa.and_(
            taken.network_type == one.network_type,
            taken.physical_network == (one.physical_network or ""),
            taken.segmentation_id.between(one.minimum, one.maximum),
        )
        for one in windows
    ]
    query = (
        sa.select(taken.network_type, taken.physical_network, taken.segmentation_id, networks.c.project_id)
        .join(segments, segments.c.id == taken.segment_id)
        .join(networks, networks.c.id == segments.c.network_id)
        .where(sa.or_(sa.false(), *within))
    )
    rows = connection.execute(query).all()
    return {
        one.id: {
            row.segmentation_id: row.project_id
            for row in rows
            if (row.network_type, row.physical_network) == (one.network_type, one.physical_network or "")
            and one.minimum <= row.segmentation_id <= one.maximum
        }
        for one in windows
    }


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    """Raises BadRequest for bounds that make no sense, Conflict for ids that another range has."""
    kind = values["network_type"]
    if kind not in network.conf.ml2.type_drivers or kind not in MAXIMUM:
        raise bad_request(f"Invalid network type {kind}: no type driver of that name is loaded.", "InvalidInput")
    physical = values.get("physical_network")
    if (kind == "vlan") != (physical is not None):
        raise bad_request(
            "Invalid input for operation: physical_network is required for vlan ranges and prohibited for others.",
            "InvalidInput",
        )
    if values["shared"]:
        values["project_id"] = ""
    row = base.new_row(network, {**values, "default": False, "physical_network": physical})
    _check_bounds(connection, row)
    base.insert(connection, table, row)
    return str(row["id"])


def _check_bounds(connection: Connection, row: Values) -> None:
    low, high = row["minimum"], row["maximum"]
    if low > high or high > MAXIMUM[row["network_type"]]:
        raise bad_request(
            f"Invalid input for operation: {low} to {high} is no range of {row['network_type']} ids.", "InvalidInput"
        )
    others = sa.select(table.c.id).where(
        table.c.network_type == row["network_type"],
        sa.func.coalesce(table.c.physical_network, "") == (row["physical_network"] or ""),
        table.c.id != row["id"],
        table.c.minimum <= high,
        table.c.maximum >= low,
    )
    if connection.execute(others.limit(1)).first() is not None:
        raise conflict(
            "NetworkSegmentRangeOverlaps",
            f"Network segment range overlaps with existing segmentation ids: {low} to {high}.",
        )


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """Raises Conflict where ids in use would fall outside."""
    merged = {**row._mapping, **values}
    _check_bounds(connection, merged)
    outside = [
        number for number in _used(connection, [row])[row.id] if not merged["minimum"] <= number <= merged["maximum"]
    ]
    if outside:
        raise _in_use(row)
    base.change(network, connection, table, row.id, **values)


def _in_use(row: Row[Any]) -> Exception:
    return conflict(
        "NetworkSegmentRangeReferencedByProject",
        f"Network Segment Range {row.id} is referenced by one or more tenant networks.",
    )


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """Raises Conflict while networks have ids of it."""
    if _used(connection, [row])[row.id]:
        raise _in_use(row)
    base.forget_tags(connection, row.id)
    connection.execute(sa.delete(table).where(table.c.id == row.id))


Range = tuple[str | None, int, int]
"""Physical network, lowest id, highest id."""


class Ranges(NamedTuple):
    """Where a project's networks of one type may come from: its own ranges first, then the shared ones, or without
    any of these (`shared` is empty) those in ml2_conf.ini; never from what is another project's (`foreign`)."""

    own: list[Range]
    shared: list[Range]
    foreign: list[Range]

    def is_foreign(self, place: str | None, number: int) -> bool:
        return any(place == where and low <= number <= high for where, low, high in self.foreign)


def of_project(connection: Connection, kind: str, project_id: str) -> Ranges:
    found = Ranges([], [], [])
    for row in connection.execute(sa.select(table).where(table.c.network_type == kind)):
        kept = found.shared if row.shared else found.own if row.project_id == project_id else found.foreign
        kept.append((row.physical_network, row.minimum, row.maximum))
    return found
