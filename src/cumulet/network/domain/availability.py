"""How many addresses are left, where floating IPs come from, and which zones there are."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network.domain import base, ipam, networks
from cumulet.network.domain.listing import matches
from cumulet.network.tables import agents, ip_allocations, subnets
from cumulet.network.tables import networks as network_table

_ZONED: Final = {"DHCP agent": "network", "L3 agent": "router"}
_FILTERS: Final = {
    "network_id": network_table.c.id,
    "network_name": network_table.c.name,
    "tenant_id": network_table.c.project_id,
    "project_id": network_table.c.project_id,
}


def zones(connection: Connection) -> list[dict[str, str]]:
    """Zones of DHCP agents (resource network) and L3 agents (resource router)."""
    query = sa.select(agents).where(agents.c.agent_type.in_(_ZONED), agents.c.availability_zone.is_not(None))
    found: dict[tuple[str, str], bool] = {}
    for row in connection.execute(query):
        key = (row.availability_zone, _ZONED[row.agent_type])
        found[key] = found.get(key, False) or bool(row.admin_state_up)
    return [
        {"name": name, "resource": resource, "state": "available" if up else "unavailable"}
        for (name, resource), up in sorted(found.items())
    ]


def floating_ip_pools(connection: Connection) -> list[dict[str, Any]]:
    """Each IPv4 subnet of an external network is a pool."""
    query = (
        sa.select(subnets.c.id, subnets.c.name, subnets.c.network_id, subnets.c.project_id, subnets.c.cidr)
        .join(network_table, network_table.c.id == subnets.c.network_id)
        .where(network_table.c.external, subnets.c.ip_version == 4)
        .order_by(subnets.c.created_at, subnets.c.id)
    )
    return [
        {
            "subnet_id": row.id,
            "subnet_name": row.name,
            "network_id": row.network_id,
            "project_id": row.project_id,
            "tenant_id": row.project_id,
            "cidr": row.cidr,
        }
        for row in connection.execute(query)
    ]


def of_networks(connection: Connection, wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The address counts of the networks that a query asks for."""
    query = sa.select(network_table).order_by(network_table.c.id)
    for key, column in _FILTERS.items():
        if key in wanted:
            query = query.where(matches(column, key, wanted[key]))
    versions = {int(text) for text in wanted.get("ip_version", []) if text in ("4", "6")}
    return _counted(connection, query, versions)


def of_network(connection: Connection, network_id: str) -> dict[str, Any]:
    """Raises the 404."""
    networks.load(connection, network_id)
    return _counted(connection, sa.select(network_table).where(network_table.c.id == network_id), set())[0]


def _counted(connection: Connection, query: sa.Select[Any], versions: set[int]) -> list[dict[str, Any]]:
    """Counted by three queries, however many networks there are."""
    rows, ids = connection.execute(query).all(), query.order_by(None).with_only_columns(network_table.c.id)
    mine = connection.execute(sa.select(subnets).where(subnets.c.network_id.in_(ids)).order_by(subnets.c.id)).all()
    count = sa.select(ip_allocations.c.subnet_id, sa.func.count()).where(ip_allocations.c.network_id.in_(ids))
    used: dict[str, int] = {row[0]: row[1] for row in connection.execute(count.group_by(ip_allocations.c.subnet_id))}
    by_network: dict[str, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for subnet in mine:
        if versions and subnet.ip_version not in versions:
            continue
        by_network[subnet.network_id].append(
            {
                "subnet_id": subnet.id,
                "subnet_name": subnet.name,
                "ip_version": subnet.ip_version,
                "cidr": subnet.cidr,
                "used_ips": used.get(subnet.id, 0),
                "total_ips": _total(subnet),
            }
        )
    return [
        {
            "network_id": row.id,
            "network_name": row.name,
            "project_id": row.project_id,
            "tenant_id": row.project_id,
            "used_ips": sum(entry["used_ips"] for entry in by_network[row.id]),
            "total_ips": sum(entry["total_ips"] for entry in by_network[row.id]),
            "subnet_ip_availability": by_network[row.id],
        }
        for row in rows
    ]


def _total(subnet: Row[Any]) -> int:
    """The addresses of its pools; without pools those of its prefix."""
    ranges = ipam.pools(subnet)
    if ranges:
        return sum(high - low + 1 for low, high in ranges)
    return int(ip_network(subnet.cidr).num_addresses) if base.from_json(subnet.allocation_pools) else 0
