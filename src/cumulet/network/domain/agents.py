"""Agents as the API shows them, and which of them serve which network or router."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel import clock
from cumulet.kernel.context import Context
from cumulet.kernel.errors import NotFound
from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.attributes import Values
from cumulet.network.domain import base
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network
from cumulet.network.tables import agents, network_agents, networks, router_agents, routers

DHCP: Final = "DHCP agent"
L3: Final = "L3 agent"


def missing(identifier: str) -> NotFound:
    return NotFound(f"Agent {identifier} could not be found.", code="AgentNotFound")


def seen_by(ctx: Context) -> sa.ColumnElement[bool] | None:
    """The rule decides; whoever may list agents sees all."""
    return None


def is_alive(network: Network, row: Row[Any]) -> bool:
    return bool(row.heartbeat_at >= network.now() - network.conf.agent_down_time * 1_000_000)


def _time(at: int) -> str:
    return clock.iso(at).replace("T", " ").rstrip("Z")


def view(row: Row[Any]) -> dict[str, Any]:
    """Without `alive`, which the handler adds: it depends on the time."""
    return {
        "id": row.id,
        "agent_type": row.agent_type,
        "binary": row.binary,
        "topic": row.topic,
        "host": row.host,
        "admin_state_up": row.admin_state_up,
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "heartbeat_timestamp": _time(row.heartbeat_at),
        "description": row.description,
        "resources_synced": row.resources_synced,
        "availability_zone": row.availability_zone,
        "configurations": base.raw(row.configurations),
        "heartbeat_at": row.heartbeat_at,
    }


def load(connection: Connection, agent_id: str, kind: str | None = None) -> Row[Any]:
    """Raises the 404, also for an agent of another kind."""
    row = connection.execute(sa.select(agents).where(agents.c.id == agent_id)).first()
    if row is None or (kind is not None and row.agent_type != kind):
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


def networks_of(connection: Connection, agent_id: str) -> list[Row[Any]]:
    query = sa.select(networks).join(network_agents, network_agents.c.network_id == networks.c.id)
    return list(connection.execute(query.where(network_agents.c.agent_id == agent_id).order_by(networks.c.id)))


def routers_of(connection: Connection, agent_id: str) -> list[Row[Any]]:
    query = sa.select(routers).join(router_agents, router_agents.c.router_id == routers.c.id)
    return list(connection.execute(query.where(router_agents.c.agent_id == agent_id).order_by(routers.c.id)))


def of_network(connection: Connection, network_id: str) -> list[Row[Any]]:
    query = sa.select(agents).join(network_agents, network_agents.c.agent_id == agents.c.id)
    return list(connection.execute(query.where(network_agents.c.network_id == network_id).order_by(agents.c.host)))


def of_router(connection: Connection, router_id: str) -> list[Row[Any]]:
    query = sa.select(agents, router_agents.c.ha_state).join(router_agents, router_agents.c.agent_id == agents.c.id)
    return list(connection.execute(query.where(router_agents.c.router_id == router_id).order_by(agents.c.host)))


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
