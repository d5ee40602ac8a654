"""Hosts that one process plays by the thousand: each has a layer 2 agent and nothing else, so it can carry servers.

They are entered, beat and report what is plugged in a few statements, however many they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cumulet.kernel.ids import uuid_id
from cumulet.network.domain import base, hosts, reports
from cumulet.network.service import Network
from cumulet.network.tables import agents as table

_BINARY = "neutron-linuxbridge-agent"
_CONFIGURATIONS = {"interface_mappings": {"*": "sim0"}, "bridge_mappings": {}, "tunnel_types": [], "extensions": []}


def live(network: Network, connection: Connection, names: Sequence[str]) -> None:
    """These hosts live; those that are new are entered."""
    now = network.now()
    mine = sa.and_(table.c.agent_type == hosts.L2, table.c.host.in_(names))
    if connection.execute(sa.update(table).where(mine).values(heartbeat_at=now)).rowcount == len(set(names)):
        return
    known = set(connection.execute(sa.select(table.c.host).where(mine)).scalars())
    fixed: dict[str, Any] = {
        "agent_type": hosts.L2,
        "binary": _BINARY,
        "topic": "N/A",
        "admin_state_up": True,
        "configurations": base.to_json(_CONFIGURATIONS),
        "resource_versions": "{}",
        **dict.fromkeys(("created_at", "started_at", "heartbeat_at"), now),
    }
    new = [{**fixed, "id": uuid_id(), "host": name} for name in dict.fromkeys(names) if name not in known]
    connection.execute(sa.insert(table), new)


def plug(network: Network, connection: Connection, plugged: Mapping[str, Mapping[str, str]]) -> None:
    """Ports' statuses as their hosts say, `{host: {port: status}}`."""
    every = {port: (host, status) for host, ports in plugged.items() for port, status in ports.items()}
    if every:
        reports.set_statuses(network, connection, every)
