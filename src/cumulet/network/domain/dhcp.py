"""Which hosts serve DHCP on a network, and the port each of them has there."""

from __future__ import annotations

import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.kernel.upsert import insert_if_absent
from cumulet.network.domain import agents, base, bindings, ipam, networks, ports
from cumulet.network.domain.source import Thing
from cumulet.network.errors import conflict
from cumulet.network.service import Network
from cumulet.network.tables import agents as agent_table
from cumulet.network.tables import network_agents, subnets
from cumulet.network.tables import networks as network_table
from cumulet.network.tables import ports as port_table

OWNER: Final = "network:dhcp"
_SERVED = sa.select(subnets).where(subnets.c.network_id == sa.bindparam("within"), subnets.c.enable_dhcp)


def device_id(host: str, network_id: str) -> str:
    """What the DHCP port of a host on a network is called, as by the original: the host hashed, and the network."""
    return f"dhcp{uuid.uuid5(uuid.NAMESPACE_DNS, host.split('.', 1)[0])}-{network_id}"


def refresh(network: Network, connection: Connection, network_id: str) -> None:
    """Bring a network's servers to what its subnets need: enough live agents, each with a port that has an address on
    every subnet with DHCP. A network whose subnets have none has no such ports."""
    row = networks.SOURCE.find(connection, network_id)
    if row is None:
        return
    served = list(connection.execute(_SERVED, {"within": network_id}))
    if served and row.admin_state_up:
        _schedule(network, connection, row)
    _plug(network, connection, row, served)


def host_network(network: Network, connection: Connection, network_id: str, agent_id: str) -> None:
    """Let a DHCP agent serve a network. Raises Conflict when it does already."""
    row = networks.load(connection, network_id, lock=True)
    agent = agents.load(connection, agent_id, agents.DHCP)
    if not insert_if_absent(connection, network_agents, {"network_id": network_id, "agent_id": agent_id}):
        raise conflict(
            "NetworkHostedByDHCPAgent",
            f"The network {network_id} has been already hosted by the DHCP Agent {agent_id}.",
        )
    _served_otherwise(network, connection, row, agent.host)


def drop_network(network: Network, connection: Connection, network_id: str, agent_id: str) -> None:
    """Raises Conflict when the agent does not serve it."""
    agent = agents.load(connection, agent_id, agents.DHCP)
    mine = sa.and_(network_agents.c.network_id == network_id, network_agents.c.agent_id == agent_id)
    if connection.execute(sa.delete(network_agents).where(mine)).rowcount == 0:
        raise conflict(
            "NetworkNotHostedByDhcpAgent", f"The network {network_id} is not hosted by the DHCP agent {agent_id}."
        )
    _served_otherwise(network, connection, networks.load(connection, network_id, lock=True), agent.host)


def _served_otherwise(network: Network, connection: Connection, row: Row[Any], host: str) -> None:
    """After an operator changed who serves a network: nobody else is chosen, only ports follow."""
    _plug(network, connection, row, list(connection.execute(_SERVED, {"within": row.id})))
    refresh_zones(connection, row.id)
    network.touch("host", host)


def refresh_zones(connection: Connection, network_id: str) -> None:
    """A network shows the zones of its servers."""
    zones = sorted({agent.availability_zone for agent in _hosting(connection, network_id) if agent.availability_zone})
    changed = {"availability_zones": base.to_json(zones)}
    connection.execute(sa.update(network_table).where(network_table.c.id == network_id).values(**changed))


def _schedule(network: Network, connection: Connection, row: Row[Any]) -> None:
    """Dead servers are replaced where there is another; one that is alone keeps the network until it is back."""
    hosting = _hosting(connection, row.id)
    oldest = agents.oldest_heartbeat(network)
    alive = [agent for agent in hosting if agent.heartbeat_at >= oldest and agent.admin_state_up]
    missing = int(network.conf.dhcp_agents_per_network) - len(alive)
    if missing <= 0:
        return
    chosen = _candidates(network, connection, row, {agent.id for agent in hosting})[:missing]
    dead = [agent for agent in hosting if agent not in alive][: len(chosen)]
    for agent in dead:
        _drop(network, connection, row.id, agent.id, agent.host)
    for agent in chosen:
        base.insert(connection, network_agents, {"network_id": row.id, "agent_id": agent.id})
        network.touch("host", agent.host)
    if chosen or dead:
        refresh_zones(connection, row.id)


def _hosting(connection: Connection, network_id: str) -> list[Row[Any]]:
    query = sa.select(agent_table).join(network_agents, network_agents.c.agent_id == agent_table.c.id)
    return list(connection.execute(query.where(network_agents.c.network_id == network_id)))


def _candidates(network: Network, connection: Connection, row: Row[Any], but: set[str]) -> list[Row[Any]]:
    """Live DHCP agents in the wanted zones that reach the network, those with the fewest networks first."""
    found = agents.candidates(network, connection, agents.DHCP, network_agents, row.availability_zone_hints, but)
    reaching = bindings.reaching_hosts(connection, row.physical_network)
    return [agent for agent in found if agent.host in reaching]


def _plug(network: Network, connection: Connection, row: Row[Any], served: list[Row[Any]]) -> None:
    """Let each serving host have its port with the right addresses, and no other host any."""
    hosts = {device_id(agent.host, row.id): agent.host for agent in _hosting(connection, row.id)} if served else {}
    query = sa.select(port_table).where(port_table.c.network_id == row.id, port_table.c.device_owner == OWNER)
    present = {port.device_id: port for port in connection.execute(query)}
    ports.remove(network, connection, *(port for device, port in present.items() if device not in hosts))
    for device, host in hosts.items():
        port = present.get(device)
        if port is None:
            port = ports.create_internal(
                network,
                connection,
                project_id=row.project_id,
                network_id=row.id,
                device_id=device,
                device_owner=OWNER,
                fixed_ips=[],
                counted=False,
                **{"binding:host_id": host},
            )
        _give_addresses(network, connection, port, served)


def _give_addresses(network: Network, connection: Connection, port: Row[Any], served: list[Row[Any]]) -> None:
    """An address on every subnet with DHCP; one whose pools are used up is served without."""
    fixed = base.from_json(port.fixed_ips)
    wanted = {subnet.id for subnet in served}
    kept = [entry for entry in fixed if entry["subnet_id"] in wanted]
    present = {entry["subnet_id"] for entry in kept}
    gone = [entry["ip_address"] for entry in fixed if entry not in kept]
    if gone:
        ipam.release(connection, port.id, gone)
    added = []
    for subnet in served:
        if subnet.id not in present:
            address = ipam.take_fitting(connection, subnet, port.id, port.mac_address)
            if address is not None:
                added.append({"subnet_id": subnet.id, "ip_address": address})
    if added or gone:
        ports.store_addresses(network, connection, [(port, kept + added)])


def _drop(network: Network, connection: Connection, network_id: str, agent_id: str, host: str) -> None:
    mine = sa.and_(network_agents.c.network_id == network_id, network_agents.c.agent_id == agent_id)
    connection.execute(sa.delete(network_agents).where(mine))
    network.touch("host", host)


_LIVE = (
    sa.select(sa.func.count())
    .select_from(network_agents.join(agent_table, agent_table.c.id == network_agents.c.agent_id))
    .where(
        network_agents.c.network_id == network_table.c.id,
        agent_table.c.heartbeat_at >= sa.bindparam("oldest"),
        agent_table.c.admin_state_up,
    )
    .correlate(network_table)
    .scalar_subquery()
)
_UNSERVED = sa.select(network_table.c.id).where(
    network_table.c.admin_state_up,
    network_table.c.id.in_(sa.select(subnets.c.network_id).where(subnets.c.enable_dhcp)),
    sa.bindparam("wanted") > _LIVE,
)
_SCHEDULED = network_table.c.id.in_(sa.select(network_agents.c.network_id))


def unserved(network: Network, connection: Connection, *, scheduled: bool) -> list[str]:
    """Networks with DHCP that have fewer live servers than they should; with `scheduled` only those that have servers,
    which are dead then: what an operator took from its server stays without one until a host comes."""
    query = _UNSERVED.where(_SCHEDULED) if scheduled else _UNSERVED
    values = {"oldest": agents.oldest_heartbeat(network), "wanted": int(network.conf.dhcp_agents_per_network)}
    return list(connection.execute(query.order_by(network_table.c.id), values).scalars())


def networks_of(connection: Connection, agent_id: str) -> list[Thing]:
    """What the API shows of the networks a DHCP agent serves."""
    served = sa.select(network_agents.c.network_id).where(network_agents.c.agent_id == agent_id)
    return networks.SOURCE.select(connection, network_table.c.id.in_(served), network_table.c.id)


def agents_of(connection: Connection, network_id: str) -> list[Thing]:
    """What the API shows of the agents that serve a network."""
    serving = sa.select(network_agents.c.agent_id).where(network_agents.c.network_id == network_id)
    return agents.SOURCE.select(connection, agent_table.c.id.in_(serving), agent_table.c.host)
