"""Agents as the API shows them, and which of them serve which network or router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel import clock
from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.domain import networks as network_domain
from cumulet.network.domain import routers as router_domain
from cumulet.network.domain.source import Shown, Source, Thing
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import agents, network_agents, networks, router_agents, routers

DHCP: Final = "DHCP agent"
L3: Final = "L3 agent"


def missing(identifier: str) -> NotFound:
    return NotFound(f"Agent {identifier} could not be found.", code="AgentNotFound")


def _time(at: int) -> str:
    """Agents show their times in a form of their own: `2026-01-31 12:00:00`."""
    return clock.iso(at).replace("T", " ").rstrip("Z")


SOURCE = Source(
    agents,
    missing,
    (
        "id",
        "agent_type",
        "binary",
        "topic",
        "host",
        "admin_state_up",
        "created_at",
        "started_at",
        "heartbeat_timestamp",
        "alive",
        "description",
        "resources_synced",
        "availability_zone",
        "configurations",
    ),
    where={
        "created_at": Shown(agents.c.created_at, _time),
        "started_at": Shown(agents.c.started_at, _time),
        "heartbeat_timestamp": Shown(agents.c.heartbeat_at, _time),
        "alive": Shown(agents.c.heartbeat_at),  # `dress` makes it a boolean
    },
    extra=("ha_state",),
)


def oldest_heartbeat(network: Network) -> int:
    """Agents whose last report is older than this count as dead."""
    return network.now() - int(network.conf.agent_down_time) * 1_000_000


def dress(network: Network, connection: Connection, ctx: Context, things: Sequence[Thing]) -> None:
    """`alive` depends on the time."""
    oldest = oldest_heartbeat(network)
    for thing in things:
        thing.alive = thing.alive >= oldest


def load(connection: Connection, agent_id: str, kind: str | None = None) -> Row[Any]:
    """Raises the 404, also for an agent of another kind."""
    row = SOURCE.load(connection, agent_id)
    if kind is not None and row.agent_type != kind:
        raise missing(agent_id)
    return row


def create(network: Network, connection: Connection, ctx: Context, values: Values) -> str:
    raise bad_request("Agents report themselves: they are not created.")


def update(network: Network, connection: Connection, ctx: Context, row: Row[Any], values: Values) -> None:
    """`admin_state_up` and `description`."""
    given = values.get("agent", values)
    connection.execute(sa.update(agents).where(agents.c.id == row.id).values(**given))


def delete(network: Network, connection: Connection, ctx: Context, row: Row[Any]) -> None:
    """One that still lives would be back at its next report; it goes all the same, as in the original."""
    connection.execute(sa.delete(network_agents).where(network_agents.c.agent_id == row.id))
    connection.execute(sa.delete(router_agents).where(router_agents.c.agent_id == row.id))
    connection.execute(sa.delete(agents).where(agents.c.id == row.id))


def networks_of(connection: Connection, agent_id: str) -> list[Thing]:
    """What the API shows of the networks a DHCP agent serves."""
    served = sa.select(network_agents.c.network_id).where(network_agents.c.agent_id == agent_id)
    return network_domain.SOURCE.select(connection, networks.c.id.in_(served), networks.c.id)


def routers_of(connection: Connection, agent_id: str) -> list[Thing]:
    """What the API shows of the routers an L3 agent serves."""
    served = sa.select(router_agents.c.router_id).where(router_agents.c.agent_id == agent_id)
    return router_domain.SOURCE.select(connection, routers.c.id.in_(served), routers.c.id)


def of_network(connection: Connection, network_id: str) -> list[Thing]:
    serving = sa.select(network_agents.c.agent_id).where(network_agents.c.network_id == network_id)
    return SOURCE.select(connection, agents.c.id.in_(serving), agents.c.host)


def of_router(connection: Connection, router_id: str) -> list[Thing]:
    """With `ha_state`, which only routers on several hosts have."""
    serving = sa.select(router_agents).where(router_agents.c.router_id == router_id)
    states = {row.agent_id: row.ha_state for row in connection.execute(serving)}
    found = SOURCE.select(connection, agents.c.id.in_(states), agents.c.host)
    for thing in found:
        thing.ha_state = states[thing.id]
    return found


def host_network(network: Network, connection: Connection, network_id: str, agent_id: str) -> None:
    """Let a DHCP agent serve a network. Raises Conflict when it does already."""
    load(connection, agent_id, DHCP)
    if not insert_if_absent(connection, network_agents, {"network_id": network_id, "agent_id": agent_id}):
        raise conflict(
            "NetworkHostedByDHCPAgent",
            f"The network {network_id} has been already hosted by the DHCP Agent {agent_id}.",
        )
    _refresh_zones(connection, network_id)


def drop_network(network: Network, connection: Connection, network_id: str, agent_id: str) -> None:
    """Raises Conflict when the agent does not serve it."""
    load(connection, agent_id, DHCP)
    mine = sa.and_(network_agents.c.network_id == network_id, network_agents.c.agent_id == agent_id)
    if connection.execute(sa.delete(network_agents).where(mine)).rowcount == 0:
        raise conflict(
            "NetworkNotHostedByDhcpAgent", f"The network {network_id} is not hosted by the DHCP agent {agent_id}."
        )
    _refresh_zones(connection, network_id)


def _refresh_zones(connection: Connection, network_id: str) -> None:
    zones = sorted({row.availability_zone for row in of_network(connection, network_id) if row.availability_zone})
    changed = {"availability_zones": base.to_json(zones)}
    connection.execute(sa.update(networks).where(networks.c.id == network_id).values(**changed))


def host_router(network: Network, connection: Connection, router_id: str, agent_id: str) -> None:
    """Let an L3 agent serve a router. Raises Conflict when another does."""
    load(connection, agent_id, L3)
    router = connection.execute(sa.select(routers).where(routers.c.id == router_id).with_for_update()).first()
    if router is None:
        raise NotFound(f"Router {router_id} could not be found", code="RouterNotFound")
    others = of_router(connection, router_id)
    if any(row.id == agent_id for row in others):
        return
    if others and not router.ha:
        raise conflict(
            "RouterHostedByL3Agent",
            f"The router {router_id} has been already hosted by the L3 Agent {others[0].id}.",
        )
    connection.execute(sa.insert(router_agents).values(router_id=router_id, agent_id=agent_id))


def drop_router(network: Network, connection: Connection, router_id: str, agent_id: str) -> None:
    """Raises Conflict when the agent does not serve it."""
    load(connection, agent_id, L3)
    mine = sa.and_(router_agents.c.router_id == router_id, router_agents.c.agent_id == agent_id)
    if connection.execute(sa.delete(router_agents).where(mine)).rowcount == 0:
        raise conflict("RouterNotHostedByL3Agent", f"The router {router_id} is not hosted by L3 agent {agent_id}.")
