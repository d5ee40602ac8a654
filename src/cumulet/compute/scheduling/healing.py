"""Placement compared with the servers there are: what is missing is entered, what nobody stands behind is found.

For operators (`nova-manage placement`); the engine keeps the two equal by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from cumulet.compute.clients import placement
from cumulet.compute.clients.answers import ask, content
from cumulet.compute.scheduling.claim import resources_of
from cumulet.compute.service import Compute
from cumulet.compute.tables import aggregate_hosts, aggregates, compute_nodes, migrations, servers

_HEADERS = {"OpenStack-API-Version": "placement 1.39"}


class Orphan(NamedTuple):
    """An allocation at a node for a consumer that is no server or unfinished migration of this cloud."""

    consumer: str
    provider: str
    resources: dict[str, int]


def unallocated(compute: Compute, server_id: str | None = None) -> Iterator[tuple[Row[Any], str]]:
    """Servers on a host, each with its node's provider, that hold nothing in Placement."""
    query = (
        sa.select(servers, compute_nodes.c.id.label("provider"))
        .join(compute_nodes, sa.and_(compute_nodes.c.host == servers.c.host, _same_node()))
        .where(sa.not_(servers.c.deleted), servers.c.host.is_not(None), servers.c.task_state.is_(None))
        .order_by(servers.c.created_at)
    )
    if server_id is not None:
        query = query.where(servers.c.id == server_id)
    with compute.db.read() as connection:
        rows = list(connection.execute(query))
    for row in rows:
        if not placement.allocations(compute.session, row.id)["allocations"]:
            yield row, row.provider


def _same_node() -> sa.ColumnElement[bool]:
    return compute_nodes.c.hypervisor_hostname == servers.c.node


def heal(compute: Compute, row: Row[Any], provider: str) -> bool:
    """Enter what a server uses. False when its node has no room for it by its inventory."""
    flavor, image = msgspec.json.decode(row.flavor), msgspec.json.decode(row.image_properties)
    amounts = resources_of(flavor, image, local_root=row.image_id is not None)
    body = {
        "allocations": {provider: {"resources": amounts}},
        "project_id": row.project_id,
        "user_id": row.user_id,
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    path = f"/allocations/{row.id}"
    answer = ask(compute.session, "PUT", "placement", path, headers=_HEADERS, json=body)
    if answer.status == 409:
        return False
    content(answer, "placement")
    return True


def audit(compute: Compute, provider: str | None = None) -> list[Orphan]:
    """Every orphaned allocation, or those at one provider."""
    with compute.db.read() as connection:
        known = set(connection.execute(sa.select(servers.c.id).where(sa.not_(servers.c.deleted))).scalars())
        known |= set(connection.execute(sa.select(migrations.c.uuid)).scalars())
        nodes = list(connection.execute(sa.select(compute_nodes.c.id)).scalars())
    found = []
    for node in [provider] if provider else nodes:
        path = f"/resource_providers/{node}/allocations"
        held = content(ask(compute.session, "GET", "placement", path, headers=_HEADERS), "placement")["allocations"]
        found += [Orphan(consumer, node, one["resources"]) for consumer, one in held.items() if consumer not in known]
    return found


def release(compute: Compute, orphan: Orphan) -> None:
    placement.release(compute.session, orphan.consumer)


def sync_aggregates(compute: Compute) -> int:
    """Have each node's provider in the aggregates its host is in; returns how many providers changed."""
    query = sa.select(compute_nodes.c.id, aggregates.c.uuid).join(
        aggregate_hosts, aggregate_hosts.c.host == compute_nodes.c.host
    )
    wanted: dict[str, set[str]] = {}
    with compute.db.read() as connection:
        for row in connection.execute(query.join(aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id)):
            wanted.setdefault(row.id, set()).add(row.uuid)
    changed = 0
    for node, uuids in wanted.items():
        path = f"/resource_providers/{node}/aggregates"
        present = content(ask(compute.session, "GET", "placement", path, headers=_HEADERS), "placement")
        if uuids <= set(present["aggregates"]):
            continue
        body = {
            "aggregates": sorted(uuids | set(present["aggregates"])),
            "resource_provider_generation": present["resource_provider_generation"],
        }
        content(ask(compute.session, "PUT", "placement", path, headers=_HEADERS, json=body), "placement")
        changed += 1
    return changed
