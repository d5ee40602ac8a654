"""Hosts as their agents report them: one process a host, shown as the four agents that operators know."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.ids import uuid_id
from cumulet.network.domain import agents, base
from cumulet.network.service import Network
from cumulet.network.tables import agents as table

L2: Final = "Linux bridge agent"
METADATA: Final = "Metadata agent"
_Count = dict[str, int]


class Facts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a host says of itself. `counts` are by binary; a binary without an entry has no such agent."""

    host: str
    started: bool = False  # the first report of this process
    tunneling_ip: str | None = None
    interface_mappings: dict[str, str] = {}
    bridge_mappings: dict[str, str] = {}
    availability_zone: str = "nova"
    metadata_host: str = "127.0.0.1"
    metadata_port: int = 8775
    counts: dict[str, _Count] = {}
    generation: int = 0  # of the wanted state that the host has applied


def _linux_bridge(facts: Facts, counts: _Count) -> dict[str, Any]:
    return {
        "bridge_mappings": facts.bridge_mappings,
        "interface_mappings": facts.interface_mappings,
        "tunneling_ip": facts.tunneling_ip,
        "tunnel_types": ["vxlan"] if facts.tunneling_ip else [],
        "l2_population": True,
        "devices": counts.get("devices", 0),
        "extensions": [],
    }


def _dhcp(facts: Facts, counts: _Count) -> dict[str, Any]:
    return {
        "dhcp_driver": "dnsmasq",
        "networks": counts.get("networks", 0),
        "subnets": counts.get("subnets", 0),
        "ports": counts.get("ports", 0),
        "log_agent_heartbeats": False,
    }


def _l3(facts: Facts, counts: _Count) -> dict[str, Any]:
    return {
        "agent_mode": "legacy",
        "interface_driver": "linuxbridge",
        "handle_internal_only_routers": True,
        "routers": counts.get("routers", 0),
        "interfaces": counts.get("interfaces", 0),
        "ex_gw_ports": counts.get("ex_gw_ports", 0),
        "floating_ips": counts.get("floating_ips", 0),
        "log_agent_heartbeats": False,
    }


def _metadata(facts: Facts, counts: _Count) -> dict[str, Any]:
    return {
        "nova_metadata_host": facts.metadata_host,
        "nova_metadata_port": facts.metadata_port,
        "log_agent_heartbeats": False,
    }


_KINDS: Final = {
    "neutron-linuxbridge-agent": (L2, "N/A", _linux_bridge, False),
    "neutron-dhcp-agent": (agents.DHCP, "dhcp_agent", _dhcp, True),
    "neutron-l3-agent": (agents.L3, "l3_agent", _l3, True),
    "neutron-metadata-agent": (METADATA, "N/A", _metadata, False),
}
"""binary -> agent type, topic, its configurations, whether it belongs to an availability zone"""


def beat(network: Network, connection: Connection, facts: Facts) -> bool:
    """Write down that a host lives and what it is like. Returns whether it is new, back from the dead, or restarted."""
    now = network.now()
    rows = {row.agent_type: row for row in connection.execute(sa.select(table).where(table.c.host == facts.host))}
    oldest = agents.oldest_heartbeat(network)
    fresh = facts.started
    for binary, counts in facts.counts.items():
        if binary not in _KINDS:
            continue
        kind, topic, configure, zoned = _KINDS[binary]
        row = rows.get(kind)
        fresh = fresh or row is None or row.heartbeat_at < oldest
        values: dict[str, Any] = {
            "heartbeat_at": now,
            "configurations": base.to_json(configure(facts, counts)),
            "load": counts.get("networks", counts.get("routers", 0)),
            "applied_generation": facts.generation,
        }
        if row is None:
            made = {
                "id": uuid_id(),
                "agent_type": kind,
                "binary": binary,
                "topic": topic,
                "host": facts.host,
                "availability_zone": facts.availability_zone if zoned else None,
                "admin_state_up": True,
                "resource_versions": "{}",
                "created_at": now,
                "started_at": now,
            }
            connection.execute(sa.insert(table).values(**made, **values))
        else:
            if facts.started:
                values["started_at"] = now
            connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
    _tell_tunnel(network, rows.get(L2), facts)
    return fresh


def _tell_tunnel(network: Network, known: Any, facts: Facts) -> None:
    """Other hosts send to this one's tunnel end point: they must know when it changes."""
    before = base.from_json(known.configurations).get("tunneling_ip") if known is not None else None
    if before != facts.tunneling_ip:
        network.touch("tunnels", facts.host)


def tunnel_ips(connection: Connection) -> dict[str, str]:
    """host -> its VXLAN end point."""
    # Thousands of simulated hosts have none: they are left out before their configurations are read.
    query = sa.select(table.c.host, table.c.configurations).where(
        table.c.agent_type == L2, table.c.configurations.contains('"tunneling_ip":"')
    )
    found = {row.host: base.from_json(row.configurations).get("tunneling_ip") for row in connection.execute(query)}
    return {host: address for host, address in found.items() if address}
