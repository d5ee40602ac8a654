"""Availability zones, service providers, address counts, floating IP pools: lists without a table of their own."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.http import Call, Reply
from cumulet.network.domain import base, ipam, networks
from cumulet.network.errors import forbidden
from cumulet.network.service import Network
from cumulet.network.tables import agents, ip_allocations, subnets
from cumulet.network.tables import networks as network_table

_ZONED = {"DHCP agent": "network", "L3 agent": "router"}
_PROVIDERS = ("dvrha", "dvr", "ha", "single_node")


def availability_zones(call: Call[Network]) -> Reply:
    """Zones of DHCP agents (resource network) and L3 agents (resource router)."""
    query = sa.select(agents).where(agents.c.agent_type.in_(_ZONED), agents.c.availability_zone.is_not(None))
    found: dict[tuple[str, str], bool] = {}
    with call.service.db.read() as connection:
        for row in connection.execute(query):
            key = (row.availability_zone, _ZONED[row.agent_type])
            found[key] = found.get(key, False) or bool(row.admin_state_up)
    zones = [
        {"name": name, "resource": resource, "state": "available" if up else "unavailable"}
        for (name, resource), up in sorted(found.items())
    ]
    wanted = call.query()
    zones = [
        zone
        for zone in zones
        if all(zone[key] in wanted[key] for key in ("name", "resource", "state") if key in wanted)
    ]
    return Reply({"availability_zones": zones})


def service_providers(call: Call[Network]) -> Reply:
    found = [{"service_type": "L3_ROUTER_NAT", "name": name, "default": name == "single_node"} for name in _PROVIDERS]
    return Reply({"service_providers": found})


def floating_ip_pools(call: Call[Network]) -> Reply:
    """Each IPv4 subnet of an external network is a pool."""
    query = (
        sa.select(subnets.c.id, subnets.c.name, subnets.c.network_id, subnets.c.project_id, subnets.c.cidr)
        .join(network_table, network_table.c.id == subnets.c.network_id)
        .where(network_table.c.external, subnets.c.ip_version == 4)
        .order_by(subnets.c.created_at, subnets.c.id)
    )
    with call.service.db.read() as connection:
        found = [
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
    return Reply({"floatingip_pools": found})


def availabilities(call: Call[Network]) -> Reply:
    _may(call, "get_network_ip_availabilities")
    query, wanted = sa.select(network_table).order_by(network_table.c.id), call.query()
    for key, column in (
        ("network_id", network_table.c.id),
        ("network_name", network_table.c.name),
        ("tenant_id", network_table.c.project_id),
        ("project_id", network_table.c.project_id),
    ):
        if key in wanted:
            query = query.where(column.in_(wanted[key]))
    version = {int(text) for text in wanted.get("ip_version", []) if text.isdigit()}
    with call.service.db.read() as connection:
        rows = connection.execute(query).all()
        return Reply({"network_ip_availabilities": _available(connection, list(rows), version)})


def availability(call: Call[Network], network_id: str) -> Reply:
    _may(call, "get_network_ip_availability")
    with call.service.db.read() as connection:
        row = networks.load(connection, network_id)
        return Reply({"network_ip_availability": _available(connection, [row], set())[0]})


def _may(call: Call[Network], rule: str) -> None:
    if not call.service.policy.allows(call.ctx, rule):
        raise forbidden(f"rule:{rule}")


def _available(connection: Connection, rows: list[Row[Any]], versions: set[int]) -> list[dict[str, Any]]:
    """Counted by two queries, however many networks there are."""
    ids = [row.id for row in rows]
    mine = connection.execute(sa.select(subnets).where(subnets.c.network_id.in_(ids)).order_by(subnets.c.id)).all()
    count = sa.select(ip_allocations.c.subnet_id, sa.func.count()).where(ip_allocations.c.network_id.in_(ids))
    counted = connection.execute(count.group_by(ip_allocations.c.subnet_id)).all()
    used: dict[str, int] = {row[0]: row[1] for row in counted}
    by_network: dict[str, list[dict[str, Any]]] = {identifier: [] for identifier in ids}
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
