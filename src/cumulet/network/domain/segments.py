"""Segments: how a network's frames travel, and which VLAN or VXLAN id they carry.

An id belongs to whoever inserts its row into `segment_allocations` first; its primary key decides every race.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.errors import BadRequest, Conflict, ServiceUnavailable
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import base, segment_ranges
from cumulet.network.errors import invalid_input
from cumulet.network.service import Network
from cumulet.network.tables import segment_allocations, segments

_OVERHEAD = {"vxlan": 50, "vlan": 0, "flat": 0, "local": 0}
_MAXIMUM_VLAN = 4094
_MAXIMUM_VNI = 16_777_215
_TRIES = 64


def check(network: Network, segment: Values) -> None:
    """A provider segment as an administrator wrote it: type, physical network, id. Raises BadRequest."""
    kind = segment.get("network_type")
    if not kind:
        raise invalid_input("network_type required")
    if kind not in network.conf.ml2.type_drivers or kind not in _OVERHEAD:
        raise invalid_input(f"network_type value '{kind}' not supported")
    physical, number = segment.get("physical_network"), segment.get("segmentation_id")
    if kind in ("flat", "vlan") and not physical and (kind == "flat" or number is not None):
        raise invalid_input(f"physical_network required for {kind} provider network")
    if kind in ("local", "vxlan") and physical:
        raise invalid_input(f"provider:physical_network specified for {kind} network")
    if kind in ("local", "flat") and number is not None:
        raise invalid_input(f"segmentation_id prohibited for {kind} provider network")
    if kind == "flat" and not _flat_allowed(network, str(physical)):
        raise invalid_input(f"physical_network '{physical}' unknown for flat provider network")
    if kind == "vlan" and number is not None and not 1 <= number <= _MAXIMUM_VLAN:
        raise invalid_input(f"segmentation_id out of range (1 through {_MAXIMUM_VLAN})")
    if kind == "vxlan" and number is not None and not 1 <= number <= _MAXIMUM_VNI:
        raise invalid_input(f"segmentation_id out of range (1 through {_MAXIMUM_VNI})")


def _flat_allowed(network: Network, physical: str) -> bool:
    allowed = network.conf.ml2_type_flat.flat_networks
    return "*" in allowed or physical in allowed


def allocate(
    network: Network,
    connection: Connection,
    network_id: str,
    wanted: Values | None,
    index: int = 0,
    *,
    project_id: str = "",
) -> Values:
    """Give a network a segment: the one an administrator asked for, else the first of the configured types with room.

    Returns {"network_type", "physical_network", "segmentation_id"}. Raises Conflict for an id in use and
    ServiceUnavailable when every id is.
    """
    segment_id = base.uuid_id()
    if wanted is not None:
        check(network, wanted)
        found = _reserve(network, connection, segment_id, wanted, project_id)
    else:
        found = _reserve_any(network, connection, segment_id, project_id)
    _insert(network, connection, segment_id, network_id, found, index)
    return found


def allocate_one(network: Network, connection: Connection, parent: Row[Any], wanted: Values, index: int) -> str:
    """Give a network one more segment. Returns its id; raises like `allocate`."""
    segment_id = base.uuid_id()
    check(network, wanted)
    found = _reserve(network, connection, segment_id, wanted, parent.project_id)
    _insert(network, connection, segment_id, parent.id, found, index)
    return segment_id


def _insert(
    network: Network, connection: Connection, segment_id: str, network_id: str, found: Values, index: int
) -> None:
    row = base.new_row(network, {"id": segment_id, "project_id": "", "name": "", "description": "", **found})
    connection.execute(sa.insert(segments).values(**row, network_id=network_id, segment_index=index))


def _reserve_any(network: Network, connection: Connection, segment_id: str, project_id: str) -> Values:
    for kind in network.conf.ml2.tenant_network_types:
        try:
            return _reserve(network, connection, segment_id, {"network_type": kind}, project_id)
        except ServiceUnavailable:
            continue
    raise ServiceUnavailable(
        "Unable to create the network. No tenant network is available for allocation.", code="NoNetworkAvailable"
    )


def _reserve(network: Network, connection: Connection, segment_id: str, wanted: Values, project_id: str) -> Values:
    kind, physical, number = wanted["network_type"], wanted.get("physical_network"), wanted.get("segmentation_id")
    if kind == "local":
        return {"network_type": kind, "physical_network": None, "segmentation_id": None}
    if kind == "flat":
        if not _take(connection, segment_id, kind, physical or "", 0):
            raise Conflict(
                f"Unable to create the flat network. Physical network {physical} is in use.", code="FlatNetworkInUse"
            )
        return {"network_type": kind, "physical_network": physical, "segmentation_id": None}
    if number is not None:
        if not _take(connection, segment_id, kind, physical or "", number):
            raise _in_use(kind, physical, number)
        return {"network_type": kind, "physical_network": physical, "segmentation_id": number}
    for place, candidate in _candidates(network, connection, kind, physical, project_id):
        if _take(connection, segment_id, kind, place or "", candidate):
            return {"network_type": kind, "physical_network": place, "segmentation_id": candidate}
    raise ServiceUnavailable(
        "Unable to create the network. No tenant network is available for allocation.", code="NoNetworkAvailable"
    )


def _in_use(kind: str, physical: str | None, number: int) -> Conflict:
    if kind == "vlan":
        return Conflict(
            f"Unable to create the network. The VLAN {number} on physical network {physical} is in use.",
            code="VlanIdInUse",
        )
    return Conflict(f"Unable to create the network. The tunnel ID {number} is in use.", code="TunnelIdInUse")


def _take(connection: Connection, segment_id: str, kind: str, physical: str, number: int) -> bool:
    row = {"network_type": kind, "physical_network": physical, "segmentation_id": number, "segment_id": segment_id}
    return insert_if_absent(connection, segment_allocations, row)


def _candidates(
    network: Network, connection: Connection, kind: str, physical: str | None, project_id: str
) -> Iterator[tuple[str | None, int]]:
    """Ids worth trying: a few at random first, which nearly always hits, then every one that is free."""
    written = segment_ranges.of_project(connection, kind, project_id)
    general = written.shared or list(_ranges(network, kind, physical))
    for ranges in (written.own, general):
        usable = [one for one in ranges if physical is None or one[0] == physical]
        for place, number in _within(connection, kind, usable):
            if not written.is_foreign(place, number):
                yield place, number


def _within(connection: Connection, kind: str, ranges: list[segment_ranges.Range]) -> Iterator[tuple[str | None, int]]:
    for _ in range(_TRIES if ranges else 0):
        place, low, high = random.choice(ranges)
        yield place, random.randint(low, high)
    for place, low, high in ranges:
        taken = set(
            connection.execute(
                sa.select(segment_allocations.c.segmentation_id).where(
                    segment_allocations.c.network_type == kind, segment_allocations.c.physical_network == (place or "")
                )
            ).scalars()
        )
        yield from ((place, number) for number in range(low, high + 1) if number not in taken)


def _ranges(network: Network, kind: str, physical: str | None) -> Iterator[tuple[str | None, int, int]]:
    """Configured ranges: `physnet1:100:200` (VLAN, without numbers all ids) and `1:1000` (VXLAN)."""
    if kind == "vlan":
        for text in network.conf.ml2_type_vlan.network_vlan_ranges:
            place, *numbers = text.split(":")
            if physical is None or place == physical:
                yield place, *_bounds(numbers, _MAXIMUM_VLAN)
    elif kind == "vxlan":
        for text in network.conf.ml2_type_vxlan.vni_ranges:
            yield None, *_bounds(text.split(":"), _MAXIMUM_VNI)


def _bounds(numbers: list[str], maximum: int) -> tuple[int, int]:
    try:
        low, high = (int(number) for number in numbers) if numbers else (1, maximum)
    except ValueError:
        raise BadRequest(f"Invalid range in ml2_conf.ini: {':'.join(numbers)}") from None
    return low, high


def release(connection: Connection, network_id: str) -> None:
    """Give back the ids of a network that goes."""
    mine = sa.select(segments.c.id).where(segments.c.network_id == network_id)
    connection.execute(sa.delete(segment_allocations).where(segment_allocations.c.segment_id.in_(mine)))
    connection.execute(sa.delete(segments).where(segments.c.network_id == network_id))


def mtu(network: Network, found: list[Values]) -> int:
    """The largest packet that fits every segment: the physical MTU less the tunnel's headers."""
    physical = dict(item.rsplit(":", 1) for item in network.conf.ml2.physical_network_mtus if ":" in item)
    sizes = []
    for segment in found:
        base_mtu = int(physical.get(segment.get("physical_network") or "", network.conf.global_physnet_mtu))
        if segment["network_type"] == "vxlan" and network.conf.ml2.path_mtu:
            base_mtu = min(base_mtu, network.conf.ml2.path_mtu)
        sizes.append(base_mtu - _OVERHEAD.get(segment["network_type"], 0))
    return min(sizes, default=network.conf.global_physnet_mtu)


def of_networks(connection: Connection, network_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The segments of networks, in order, as `provider:` dictionaries (for networks with several)."""
    query = sa.select(segments).where(segments.c.network_id.in_(network_ids)).order_by(segments.c.segment_index)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.network_id, []).append(
            {
                "provider:network_type": row.network_type,
                "provider:physical_network": row.physical_network,
                "provider:segmentation_id": row.segmentation_id,
            }
        )
    return found
