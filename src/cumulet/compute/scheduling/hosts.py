"""What filters and weighers look at: a host as it is known, and what a server asks for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.agents.compute import numa
from cumulet.compute.domain import services
from cumulet.compute.service import Compute
from cumulet.compute.tables import (
    aggregate_hosts,
    aggregates,
    compute_nodes,
    compute_services,
    server_group_members,
    server_groups,
    servers,
)

_TOLD_AFTER: Final = 60 * 1_000_000  # microseconds, several times what a host takes to report


@dataclass
class Host:
    """One candidate. `free` is what Placement has left of each resource class there."""

    provider: str
    host: str
    node: str
    enabled: bool
    disabled_reason: str | None
    up: bool
    zone: str
    facts: dict[str, Any]
    free: dict[str, int]
    metadata: list[dict[str, str]] = field(default_factory=list)  # of its aggregates
    servers: int = 0
    busy: int = 0
    members: int = 0  # servers of the asking server's group
    coming: list[numa.Wish] = field(default_factory=list)  # of servers that the host has not reported yet


@dataclass(frozen=True)
class Wish:
    """What one server asks for."""

    project_id: str
    zone: str | None
    host: str | None
    node: str | None
    extra_specs: dict[str, str]
    image_properties: dict[str, Any]
    same_as: frozenset[str]  # hosts of the servers it is to be with
    apart_from: frozenset[str]
    wants_same: bool
    policy: str | None
    most_per_host: int
    group_is_empty: bool
    excluded: frozenset[str] = frozenset()  # hosts, for one that has to leave its own
    numa: numa.Wish | None = None


def wish_of(connection: Connection, row: Row[Any], place: dict[str, Any], flavor: dict[str, Any] | None = None) -> Wish:
    """Raises ValueError for a flavor or an image that contradicts itself."""
    flavor = flavor or msgspec.json.decode(row.flavor)
    image = msgspec.json.decode(row.image_properties)
    hints = msgspec.json.decode(row.scheduler_hints)
    same, apart = _ids(hints.get("same_host")), _ids(hints.get("different_host"))
    hosts_of = _hosts_of(connection, same + apart)
    policy, most, empty = _policy(connection, row)
    return Wish(
        project_id=row.project_id,
        zone=place.get("zone", row.requested_zone),
        host=place.get("host"),
        node=place.get("node"),
        extra_specs=flavor["extra_specs"],
        image_properties=image,
        same_as=frozenset(hosts_of[one] for one in same if one in hosts_of),
        apart_from=frozenset(hosts_of[one] for one in apart if one in hosts_of),
        wants_same=bool(same),
        policy=policy,
        most_per_host=most,
        group_is_empty=empty,
        excluded=frozenset(place.get("excluded", ())),
        numa=numa.wish_of(flavor, image),
    )


def _ids(hint: Any) -> list[str]:
    return [hint] if isinstance(hint, str) else list(hint or ())


def _hosts_of(connection: Connection, ids: list[str]) -> dict[str, str]:
    if not ids:
        return {}
    query = sa.select(servers.c.id, servers.c.host).where(servers.c.id.in_(ids), servers.c.host.is_not(None))
    return {row.id: row.host for row in connection.execute(query)}


def _policy(connection: Connection, row: Row[Any]) -> tuple[str | None, int, bool]:
    if row.server_group_id is None:
        return None, 1, True
    group = connection.execute(sa.select(server_groups).where(server_groups.c.id == row.server_group_id)).first()
    if group is None:
        return None, 1, True
    most = msgspec.json.decode(group.rules).get("max_server_per_host") or 1
    return group.policy, int(most), not _members(connection, row)


def _members(connection: Connection, row: Row[Any]) -> dict[str, int]:
    """How many other servers of the group each host has."""
    query = (
        sa.select(servers.c.host, sa.func.count())
        .join(server_group_members, server_group_members.c.server_id == servers.c.id)
        .where(
            server_group_members.c.group_id == row.server_group_id,
            servers.c.id != row.id,
            servers.c.host.is_not(None),
            sa.not_(servers.c.deleted),
        )
        .group_by(servers.c.host)
    )
    return {host: int(count) for host, count in connection.execute(query)}


_NODES = (
    sa.select(
        compute_nodes.c.id,
        compute_nodes.c.host,
        compute_nodes.c.hypervisor_hostname,
        compute_nodes.c.facts,
        compute_services.c.disabled,
        compute_services.c.disabled_reason,
        compute_services.c.forced_down,
        compute_services.c.last_seen_at,
    )
    .join(compute_services, compute_services.c.id == compute_nodes.c.service_id)
    .where(compute_nodes.c.id.in_(sa.bindparam("providers", expanding=True)))
    .order_by(compute_nodes.c.number)
)
_AGGREGATES = (
    sa.select(aggregate_hosts.c.host, aggregates.c.metadata)
    .join(aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id)
    .where(aggregate_hosts.c.host.in_(sa.bindparam("hosts", expanding=True)))
)
_LOAD = (
    sa.select(servers.c.host, sa.func.count(), sa.func.count(servers.c.task_state))
    .where(servers.c.host.in_(sa.bindparam("hosts", expanding=True)), sa.not_(servers.c.deleted))
    .group_by(servers.c.host)
)


def look_up(
    compute: Compute,
    connection: Connection,
    row: Row[Any],
    summaries: dict[str, Any],
    *,
    placed: bool = False,
) -> list[Host]:
    """The hosts of these providers, in four queries however many they are; one more where it matters how servers are
    `placed` on their NUMA nodes."""
    nodes: Sequence[Any] = connection.execute(_NODES, {"providers": list(summaries)}).all()
    hosts = {"hosts": [node.host for node in nodes]}
    metadata: dict[str, list[dict[str, str]]] = {}
    for one in connection.execute(_AGGREGATES, hosts):
        metadata.setdefault(one.host, []).append(_decoded(one.metadata))
    zones = {host: zone for host, all_ in metadata.items() if (zone := services.zone_of(all_)) is not None}
    counts = {host: (int(all_), int(busy)) for host, all_, busy in connection.execute(_LOAD, hosts)}
    members = _members(connection, row) if row.server_group_id is not None else {}
    coming = _coming(compute, connection, row, nodes) if placed else {}
    default_zone = str(compute.conf.default_availability_zone)
    return [
        Host(
            provider=node.id,
            host=node.host,
            node=node.hypervisor_hostname,
            enabled=not node.disabled,
            disabled_reason=node.disabled_reason,
            up=services.is_up(compute, node),
            zone=zones.get(node.host, default_zone),
            facts=_decoded(node.facts),
            free={
                name: amount["capacity"] - amount["used"] for name, amount in summaries[node.id]["resources"].items()
            },
            metadata=metadata.get(node.host, []),
            servers=counts.get(node.host, (0, 0))[0],
            busy=counts.get(node.host, (0, 0))[1],
            members=members.get(node.host, 0),
            coming=coming.get(node.host, []),
        )
        for node in nodes
    ]


def _coming(
    compute: Compute, connection: Connection, row: Row[Any], nodes: Sequence[Any]
) -> dict[str, list[numa.Wish]]:
    """What servers want of their hosts that went there of late, and that the hosts have not told of yet."""
    told = {one for node in nodes for one in _decoded(node.facts).get("numa", {}).get("guests", ())}
    lately = compute.now() - _TOLD_AFTER
    query = sa.select(servers.c.id, servers.c.host, servers.c.flavor, servers.c.image_properties).where(
        servers.c.host.in_([node.host for node in nodes]),
        servers.c.id != row.id,
        sa.not_(servers.c.deleted),
        sa.or_(servers.c.task_state.is_not(None), servers.c.updated_at > lately),
    )
    found: dict[str, list[numa.Wish]] = {}
    for server in connection.execute(query):
        if server.id in told:
            continue
        with contextlib.suppress(ValueError):  # its own job says so
            wish = numa.wish_of(_decoded(server.flavor), msgspec.json.decode(server.image_properties))
            if wish is not None:
                found.setdefault(server.host, []).append(wish)
    return found


@functools.lru_cache(maxsize=256)
def _decoded(text: str) -> dict[str, Any]:
    """Most hosts say the very same of themselves. Nobody changes what this returns."""
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
