"""Which hosts carry a router: one as a rule, several for one with high availability."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network.domain import agents, base, bindings, high_availability, ports, routers
from cumulet.network.domain.source import Thing
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import agents as agent_table
from cumulet.network.tables import floating_ips, router_agents, router_ports
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import ports as port_table
from cumulet.network.tables import routers as router_table

STANDBY: Final = "standby"
ACTIVE: Final = "active"


def refresh(network: Network, connection: Connection, router_id: str) -> None:
    """Let a router that has something to do be carried by live agents, as many as its kind takes.

    One that is dead is replaced where there is another; one that is alone keeps the router until it is back.
    """
    row = routers.SOURCE.find(connection, router_id)
    if row is None or not _has_work(connection, router_id):
        return
    carrying = _carrying(connection, router_id)
    oldest = agents.oldest_heartbeat(network)
    alive = [agent for agent in carrying if agent.heartbeat_at >= oldest and agent.admin_state_up]
    wanted = int(network.conf.max_l3_agents_per_router) if row.ha else 1
    if len(alive) < wanted:
        chosen = _candidates(network, connection, row, {agent.id for agent in carrying})[: wanted - len(alive)]
        dead = [agent for agent in carrying if agent not in alive]
        for agent in dead[: len(chosen)]:
            _remove(network, connection, router_id, agent)
        for agent in chosen:
            _insert(network, connection, router_id, agent)
    follow(network, connection, row)


def _has_work(connection: Connection, router_id: str) -> bool:
    """A router without a port routes nothing."""
    query = sa.select(router_ports.c.port_id).where(router_ports.c.router_id == router_id).limit(1)
    return connection.execute(query).first() is not None


def _carrying(connection: Connection, router_id: str) -> list[Row[Any]]:
    query = (
        sa.select(agent_table, router_agents.c.ha_state)
        .join(router_agents, router_agents.c.agent_id == agent_table.c.id)
        .where(router_agents.c.router_id == router_id)
        .order_by(agent_table.c.host)
    )
    return list(connection.execute(query))


def _candidates(network: Network, connection: Connection, row: Row[Any], but: set[str]) -> list[Row[Any]]:
    """Live L3 agents in the wanted zones that reach the gateway's network, those with the fewest routers first."""
    found = agents.candidates(network, connection, agents.L3, router_agents, row.availability_zone_hints, but)
    outside = sa.select(network_table.c.physical_network).where(network_table.c.id == row.gateway_network_id)
    reaching = bindings.reaching_hosts(connection, connection.execute(outside).scalar())
    return [agent for agent in found if agent.host in reaching]


def _insert(network: Network, connection: Connection, router_id: str, agent: Row[Any]) -> None:
    base.insert(connection, router_agents, {"router_id": router_id, "agent_id": agent.id, "ha_state": None})
    network.touch("host", agent.host)


def _remove(network: Network, connection: Connection, router_id: str, agent: Row[Any]) -> None:
    mine = sa.and_(router_agents.c.router_id == router_id, router_agents.c.agent_id == agent.id)
    connection.execute(sa.delete(router_agents).where(mine))
    network.touch("host", agent.host)


def follow(network: Network, connection: Connection, row: Row[Any]) -> None:
    """Let the router's ports be where it is carried, its zones be those of its hosts, its floating IPs work or not."""
    carrying = _carrying(connection, row.id)
    zones = sorted({agent.availability_zone for agent in carrying if agent.availability_zone})
    changed = {"availability_zones": base.to_json(zones)}
    connection.execute(sa.update(router_table).where(router_table.c.id == row.id).values(**changed))
    if row.ha and carrying:
        high_availability.connect(network, connection, row, [agent.host for agent in carrying])
    else:
        high_availability.disconnect(network, connection, row)
    active = next((agent.host for agent in carrying if agent.ha_state == ACTIVE), None)
    move_ports(network, connection, row.id, active or (carrying[0].host if carrying else ""))
    if not carrying:
        working = sa.and_(floating_ips.c.router_id == row.id, floating_ips.c.status == "ACTIVE")
        connection.execute(sa.update(floating_ips).where(working).values(status="DOWN"))
    network.touch("router", row.id)


def move_ports(network: Network, connection: Connection, router_id: str, host: str) -> None:
    """Bind the router's ports to the host that carries it now."""
    query = (
        sa.select(port_table)
        .join(router_ports, router_ports.c.port_id == port_table.c.id)
        .where(router_ports.c.router_id == router_id, port_table.c.binding_host_id != host)
    )
    for port in connection.execute(query).all():
        moved = bindings.to_host(network, connection, port, host)
        base.change(network, connection, port_table, port.id, **moved)
        ports.touch(network, port)
    network.touch("host", host)


def host_router(network: Network, connection: Connection, router_id: str, agent_id: str) -> None:
    """Let an L3 agent carry a router. Raises Conflict when another does."""
    row = routers.load(connection, router_id, lock=True)
    agent = agents.load(connection, agent_id, agents.L3)
    carrying = _carrying(connection, router_id)
    if any(one.id == agent_id for one in carrying):
        return
    if carrying and not row.ha:
        raise conflict(
            "RouterHostedByL3Agent",
            f"The router {router_id} has been already hosted by the L3 Agent {carrying[0].id}.",
        )
    _insert(network, connection, router_id, agent)
    follow(network, connection, row)


def drop_router(network: Network, connection: Connection, router_id: str, agent_id: str) -> None:
    """Raises Conflict when the agent does not carry it."""
    agent = agents.load(connection, agent_id, agents.L3)
    row = routers.SOURCE.find(connection, router_id, lock=True)
    if row is None or not any(one.id == agent_id for one in _carrying(connection, router_id)):
        raise conflict("RouterNotHostedByL3Agent", f"The router {router_id} is not hosted by L3 agent {agent_id}.")
    _remove(network, connection, router_id, agent)
    follow(network, connection, row)


def forget(network: Network, connection: Connection, row: Row[Any]) -> None:
    """A router goes: with it what its hosts had for it."""
    for agent in _carrying(connection, row.id):
        _remove(network, connection, row.id, agent)
    high_availability.disconnect(network, connection, row)


_LIVE = (
    sa.select(sa.func.count())
    .select_from(router_agents.join(agent_table, agent_table.c.id == router_agents.c.agent_id))
    .where(
        router_agents.c.router_id == router_table.c.id,
        agent_table.c.heartbeat_at >= sa.bindparam("oldest"),
        agent_table.c.admin_state_up,
    )
    .correlate(router_table)
    .scalar_subquery()
)
_UNSERVED = sa.select(router_table.c.id).where(
    router_table.c.id.in_(sa.select(router_ports.c.router_id)),
    sa.or_(_LIVE < 1, sa.and_(router_table.c.ha, sa.bindparam("wanted") > _LIVE)),
)
_SCHEDULED = router_table.c.id.in_(sa.select(router_agents.c.router_id))


def unserved(network: Network, connection: Connection, *, scheduled: bool) -> list[str]:
    """Routers with ports that too few live agents carry; with `scheduled` only those that some agent carries."""
    query = _UNSERVED.where(_SCHEDULED) if scheduled else _UNSERVED
    values = {"oldest": agents.oldest_heartbeat(network), "wanted": int(network.conf.max_l3_agents_per_router)}
    return list(connection.execute(query.order_by(router_table.c.id), values).scalars())


def routers_of(connection: Connection, agent_id: str) -> list[Thing]:
    """What the API shows of the routers an L3 agent carries."""
    carried = sa.select(router_agents.c.router_id).where(router_agents.c.agent_id == agent_id)
    return routers.SOURCE.select(connection, router_table.c.id.in_(carried), router_table.c.id)


def agents_of(connection: Connection, router_id: str) -> list[Thing]:
    """What the API shows of the agents that carry a router; `ha_state` is for routers on several hosts."""
    serving = sa.select(router_agents).where(router_agents.c.router_id == router_id)
    states = {row.agent_id: row.ha_state for row in connection.execute(serving)}
    found = agents.SOURCE.select(connection, agent_table.c.id.in_(states), agent_table.c.host)
    for thing in found:
        thing.ha_state = states[thing.id]
    return found
