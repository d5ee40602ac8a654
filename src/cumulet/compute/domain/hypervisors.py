"""Hypervisors: the nodes that run servers, as their agents reported them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.compute.tables import compute_nodes, compute_services, servers
from cumulet.kernel.errors import BadRequest, NotFound

_SUMMED = (
    "vcpus",
    "vcpus_used",
    "memory_mb",
    "memory_mb_used",
    "local_gb",
    "local_gb_used",
    "running_vms",
    "disk_available_least",
)


def _query() -> sa.Select[Any]:
    service = compute_services
    return sa.select(
        compute_nodes,
        service.c.number.label("service_number"),
        service.c.disabled,
        service.c.disabled_reason,
        service.c.forced_down,
        service.c.last_seen_at,
    ).join(service, service.c.id == compute_nodes.c.service_id)


def find(
    connection: Connection,
    *,
    pattern: str | None = None,
    host: str | None = None,
    limit: int | None = None,
    marker: Row[Any] | None = None,
) -> list[Row[Any]]:
    """In the order they came; a page and one more when limited. `pattern` is a part of the host name."""
    query = _query().order_by(compute_nodes.c.number)
    if pattern is not None:
        query = query.where(compute_nodes.c.hypervisor_hostname.contains(pattern, autoescape=True))
    if host is not None:
        query = query.where(compute_nodes.c.host == host)
    if marker is not None:
        query = query.where(compute_nodes.c.number > marker.number)
    if limit is not None:
        query = query.limit(limit + 1)
    return list(connection.execute(query))


def load(connection: Connection, hypervisor_id: str, *, by_number: bool) -> Row[Any]:
    """By uuid, or by number as before 2.53. Raises the 404, BadRequest for a malformed uuid."""
    if by_number:
        if not hypervisor_id.isdigit() or len(hypervisor_id) > 9:
            raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
        condition = compute_nodes.c.number == int(hypervisor_id)
    else:
        if len(hypervisor_id) != 36:
            raise BadRequest(f"Invalid uuid {hypervisor_id}")
        condition = compute_nodes.c.id == hypervisor_id
    row = connection.execute(_query().where(condition)).first()
    if row is None:
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
    return row


def servers_on(connection: Connection, rows: list[Row[Any]]) -> dict[str, list[dict[str, str]]]:
    """The live servers of each node: {node id: [{"uuid", "name"}]}"""
    hosts = {(row.host, row.hypervisor_hostname): row.id for row in rows}
    found: dict[str, list[dict[str, str]]] = {row.id: [] for row in rows}
    query = (
        sa.select(servers.c.id, servers.c.number, servers.c.host, servers.c.node)
        .where(servers.c.host.in_({host for host, _ in hosts}), sa.not_(servers.c.deleted))
        .order_by(servers.c.number)
    )
    for row in connection.execute(query):
        node = hosts.get((row.host, row.node))
        if node is not None:
            found[node].append({"uuid": row.id, "name": f"instance-{row.number:08x}"})
    return found


def statistics(connection: Connection) -> dict[str, int]:
    """Sums over the nodes whose service is enabled."""
    sums = [sa.func.coalesce(sa.func.sum(compute_nodes.c[name]), 0).label(name) for name in _SUMMED]
    query = (
        sa.select(sa.func.count().label("count"), *sums)
        .select_from(compute_nodes)
        .join(compute_services, compute_services.c.id == compute_nodes.c.service_id)
        .where(sa.not_(compute_services.c.disabled))
    )
    row = connection.execute(query).one()
    found = {name: int(getattr(row, name)) for name in ("count", *_SUMMED)}
    found["free_ram_mb"] = found["memory_mb"] - found["memory_mb_used"]
    found["free_disk_gb"] = found["local_gb"] - found["local_gb_used"]
    found["current_workload"] = sum(busy(connection).values())
    return found


def busy(connection: Connection) -> dict[str | None, int]:
    """How many servers something is being done to, by their hosts (None: they have none yet)."""
    query = sa.select(servers.c.host, sa.func.count().label("number")).where(servers.c.task_state.is_not(None))
    rows = connection.execute(query.where(sa.not_(servers.c.deleted)).group_by(servers.c.host))
    return {row.host: row.number for row in rows}
