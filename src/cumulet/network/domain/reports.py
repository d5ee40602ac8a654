"""What hosts report of the objects they carry: ports that are wired, routers that are active, addresses that work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network.domain import base, notices, router_hosts, trunks
from cumulet.network.service import Network
from cumulet.network.tables import agents, floating_ips, ports, router_agents, routers

_STATUSES: Final = frozenset({"ACTIVE", "DOWN", "ERROR"})


class Report(msgspec.Struct, kw_only=True):
    """How a host's objects are. `ports`, `ha_states` and `routers` may be those that changed since the last report."""

    ports: dict[str, str] = {}
    ha_states: dict[str, str] = {}  # router -> active, standby
    routers: list[str] = []  # in place


def take(network: Network, connection: Connection, host: str, report: Report) -> None:
    """Bring the statuses that users see to what a host says."""
    _ports(network, connection, host, report.ports)
    _routers(network, connection, host, report.ha_states)
    _floating_ips(connection, host, report.routers)


_SET_STATUS = (
    sa.update(ports)
    .where(ports.c.id == sa.bindparam("sought"))
    .values(
        status=sa.bindparam("now_is"),
        updated_at=sa.bindparam("at"),
        revision_number=ports.c.revision_number + 1,
    )
)


def _ports(network: Network, connection: Connection, host: str, reported: dict[str, str]) -> None:
    trunks.follow_parents(network, connection, host, list(reported))
    set_statuses(network, connection, {port: (host, status) for port, status in reported.items()})


def set_statuses(network: Network, connection: Connection, reported: Mapping[str, tuple[str, str]]) -> None:
    """Bring ports to what hosts say, `{port: (host, status)}`. Only the host a port is bound to says how it is."""
    changed: list[tuple[Row[Any], str]] = []
    for ids in base.chunks(reported):
        for row in connection.execute(sa.select(ports).where(ports.c.id.in_(ids))):
            host, status = reported[row.id]
            if status == "ACTIVE" and not row.admin_state_up:
                status = "DOWN"
            if row.binding_host_id == host and status in _STATUSES and row.status not in (status, "N/A"):
                changed.append((row, status))
    if not changed:
        return
    at = network.now()
    connection.execute(_SET_STATUS, [{"sought": row.id, "now_is": status, "at": at} for row, status in changed])
    trunks.refresh_statuses(network, connection, [row.id for row, _ in changed])
    notices.statuses(network, connection, changed)


def _routers(network: Network, connection: Connection, host: str, reported: dict[str, str]) -> None:
    """Where several hosts carry a router, its ports are where it is active."""
    if not reported:
        return
    query = (
        sa.select(router_agents, routers.c.id.label("router"))
        .join(agents, agents.c.id == router_agents.c.agent_id)
        .join(routers, routers.c.id == router_agents.c.router_id)
        .where(agents.c.host == host, routers.c.id.in_(reported))
    )
    for row in connection.execute(query).all():
        state = reported[row.router_id]
        if row.ha_state == state:
            continue
        mine = sa.and_(router_agents.c.router_id == row.router_id, router_agents.c.agent_id == row.agent_id)
        connection.execute(sa.update(router_agents).where(mine).values(ha_state=state))
        if state == router_hosts.ACTIVE:
            others = sa.and_(
                router_agents.c.router_id == row.router_id,
                router_agents.c.agent_id != row.agent_id,
                router_agents.c.ha_state == router_hosts.ACTIVE,
            )
            connection.execute(sa.update(router_agents).where(others).values(ha_state=router_hosts.STANDBY))
            router_hosts.move_ports(network, connection, row.router_id, host)


def _floating_ips(connection: Connection, host: str, router_ids: list[str]) -> None:
    """Those of routers that the host carries; one that was just taken from it may still be in its report."""
    carried = (
        sa.select(router_agents.c.router_id)
        .join(agents, agents.c.id == router_agents.c.agent_id)
        .where(agents.c.host == host)
    )
    for ids in base.chunks(router_ids):
        waiting = sa.and_(
            floating_ips.c.router_id.in_(ids),
            floating_ips.c.router_id.in_(carried),
            floating_ips.c.status == "DOWN",
            floating_ips.c.port_id.is_not(None),
        )
        connection.execute(sa.update(floating_ips).where(waiting).values(status="ACTIVE"))
