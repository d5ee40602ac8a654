"""Compute nodes as their agents report them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from cumulet.compute.domain import services
from cumulet.compute.domain.counters import next_number
from cumulet.compute.service import Compute
from cumulet.compute.tables import compute_nodes, servers
from cumulet.kernel.ids import uuid_id


def report(compute: Compute, host: str, node: str, columns: dict[str, Any]) -> str:
    """Enter or renew a node with what its servers use; returns its id, which is also its resource provider's."""
    now = compute.now()
    with compute.db.write() as connection:
        service = services.of_host(connection, host)
        used = _used(connection, host, node)
        values = {**columns, **used, "host": host, "service_id": service.id, "updated_at": now}
        mine = compute_nodes.c.hypervisor_hostname == node
        known = connection.execute(sa.select(compute_nodes.c.id).where(mine)).scalar()
        if known is not None:
            connection.execute(sa.update(compute_nodes).where(mine).values(**values))
            return str(known)
        new = {"id": uuid_id(), "number": next_number(connection, "nodes"), "created_at": now, "mapped": False}
        connection.execute(sa.insert(compute_nodes).values(**values, **new, hypervisor_hostname=node))
        return str(new["id"])


def _used(connection: sa.Connection, host: str, node: str) -> dict[str, int]:
    query = sa.select(servers.c.vcpus, servers.c.memory_mb, servers.c.flavor).where(
        servers.c.host == host, servers.c.node == node, sa.not_(servers.c.deleted)
    )
    used = {"vcpus_used": 0, "memory_mb_used": 0, "local_gb_used": 0, "running_vms": 0}
    for row in connection.execute(query):
        flavor = msgspec.json.decode(row.flavor)
        used["vcpus_used"] += row.vcpus
        used["memory_mb_used"] += row.memory_mb
        used["local_gb_used"] += flavor["disk"] + flavor["ephemeral"]
        used["running_vms"] += 1
    return used
