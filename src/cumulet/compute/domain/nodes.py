"""Compute nodes as their agents report them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from cumulet.compute.domain import services
from cumulet.compute.domain.counters import next_number
from cumulet.compute.service import Compute
from cumulet.compute.tables import compute_nodes, servers
from cumulet.kernel.ids import uuid_id

_UNUSED: Final = {"vcpus_used": 0, "memory_mb_used": 0, "local_gb_used": 0, "running_vms": 0}
_Place = tuple[str, str]
"""(host, node)"""


class Seen(NamedTuple):
    """A node as its agent reports it: `columns` are those of `compute_nodes` that the host itself knows."""

    host: str
    node: str
    columns: Mapping[str, Any]


class Known(NamedTuple):
    """What became of a report. The id is also that of the node's resource provider."""

    id: str
    is_new: bool


def report_all(compute: Compute, reports: Sequence[Seen]) -> dict[str, Known]:
    """Hosts live and have these nodes: entered or renewed with what their servers use. Returns {node: known as}.

    One transaction and a few statements, however many they are.
    """
    now = compute.now()
    names = [one.node for one in reports]
    query = sa.select(compute_nodes.c.hypervisor_hostname, compute_nodes.c.id)
    with compute.db.write() as connection:
        service_ids = services.report_all(connection, now, list(dict.fromkeys(one.host for one in reports)))
        there = connection.execute(query.where(compute_nodes.c.hypervisor_hostname.in_(names)))
        known: dict[str, str] = {row.hypervisor_hostname: row.id for row in there}
        used = _used(connection, list(service_ids))
        found = {name: Known(known.get(name) or uuid_id(), name not in known) for name in names}
        rows = {
            one.node: {
                **one.columns,
                **used.get((one.host, one.node), _UNUSED),
                "host": one.host,
                "service_id": service_ids[one.host],
                "updated_at": now,
            }
            for one in reports
        }
        old = [{"sought": found[name].id, **row} for name, row in rows.items() if name in known]
        if old:
            changed = [name for name in old[0] if name != "sought"]
            renew = sa.update(compute_nodes).where(compute_nodes.c.id == sa.bindparam("sought"))
            connection.execute(renew.values({name: sa.bindparam(name) for name in changed}), old)
        new = [name for name in rows if name not in known]
        if new:
            first = next_number(connection, "nodes", len(new))
            made = [
                {"id": found[name].id, "number": first + index, "hypervisor_hostname": name, **rows[name]}
                for index, name in enumerate(new)
            ]
            connection.execute(sa.insert(compute_nodes), [{**row, "created_at": now, "mapped": False} for row in made])
    return found


def _used(connection: sa.Connection, hosts: Sequence[str]) -> dict[_Place, dict[str, int]]:
    """What the servers of each node use, of those that have any."""
    query = sa.select(servers.c.host, servers.c.node, servers.c.vcpus, servers.c.memory_mb, servers.c.flavor).where(
        servers.c.host.in_(hosts), sa.not_(servers.c.deleted)
    )
    found: dict[_Place, dict[str, int]] = {}
    for row in connection.execute(query):
        flavor = msgspec.json.decode(row.flavor)
        used = found.setdefault((row.host, row.node), dict(_UNUSED))
        used["vcpus_used"] += row.vcpus
        used["memory_mb_used"] += row.memory_mb
        used["local_gb_used"] += flavor["disk"] + flavor["ephemeral"]
        used["running_vms"] += 1
    return found
