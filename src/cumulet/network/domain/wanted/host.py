"""The rows that a host has to do with, read in a fixed number of queries however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from cumulet.network import tables
from cumulet.network.domain import base, bindings
from cumulet.network.domain.agents import DHCP, L3
from cumulet.network.service import Topic

_PORT = [
    tables.ports.c[name]
    for name in (
        *("id", "network_id", "mac_address", "fixed_ips", "device_owner", "device_id", "project_id", "admin_state_up"),
        *("port_security_enabled", "allowed_address_pairs", "security_groups", "qos_policy_id"),
        *("qos_network_policy_id", "binding_profile", "binding_host_id", "dns_name", "extra_dhcp_opts"),
    )
]
"""A network may have thousands of ports, and each is read whenever one of them changes: only what a host is told."""


def rows_in(connection: Connection, table: sa.Table, column: str, ids: Iterable[str]) -> list[Row[Any]]:
    """All rows whose column has one of the ids."""
    found: list[Row[Any]] = []
    for some in base.chunks(sorted(set(ids))):
        found += connection.execute(sa.select(table).where(table.c[column].in_(some))).all()
    return found


@dataclass
class Host:
    """`endpoints` are all ports of the networks that are here, `ports` those of them that are on this host."""

    name: str
    served: set[str]  # networks whose DHCP is served here
    routers: list[Row[Any]]
    router_ports: dict[str, list[str]]  # router -> its ports
    ports: list[Row[Any]]
    endpoints: list[Row[Any]]
    networks: list[Row[Any]]
    subnets: list[Row[Any]]
    policies: dict[str, list[dict[str, Any]]]  # QoS policy -> its rules
    subports: dict[str, tuple[str, int]]  # a trunk's port -> (the trunk's parent port, VLAN)
    groups: set[str]  # security groups of the ports, and those that their rules name
    address_groups: set[str]

    @classmethod
    def read(cls, connection: Connection, host: str) -> Host:
        served = _served(connection, host)
        router_ids = _carried(connection, host)
        attached: dict[str, list[str]] = {router_id: [] for router_id in router_ids}
        for row in rows_in(connection, tables.router_ports, "router_id", router_ids):
            attached[row.router_id].append(row.port_id)
        here = _bound(connection, host) | {port_id for ids in attached.values() for port_id in ids}
        subports = _subports(connection, here)
        here |= subports.keys()
        network_ids = served | _networks_of(connection, here)
        networks = rows_in(connection, tables.networks, "id", network_ids)
        endpoints = _endpoints(connection, network_ids)
        ports = [port for port in endpoints if port.id in here]
        routers = rows_in(connection, tables.routers, "id", router_ids)
        return cls(
            name=host,
            served=served,
            routers=sorted(routers, key=lambda row: row.id),
            router_ports=attached,
            ports=ports,
            endpoints=endpoints,
            networks=networks,
            subnets=rows_in(connection, tables.subnets, "network_id", network_ids),
            policies=_policies(connection, [*ports, *networks, *routers]),
            subports=subports,
            groups=set(),
            address_groups=set(),
        )

    def topics(self) -> set[Topic]:
        """What, when it changes, changes what this host should be."""
        found: set[Topic] = {("host", self.name)}
        for kind, ids in (
            ("network", {network.id for network in self.networks}),
            ("router", {router.id for router in self.routers}),
            ("security_group", self.groups),
            ("address_group", self.address_groups),
            ("qos_policy", set(self.policies)),
        ):
            found.update((kind, identifier) for identifier in ids)
        return found


def _networks_of(connection: Connection, port_ids: set[str]) -> set[str]:
    ports = tables.ports.c
    found: set[str] = set()
    for some in base.chunks(sorted(port_ids)):
        query = sa.select(ports.network_id).distinct().where(ports.id.in_(some))
        found.update(connection.execute(query).scalars().all())
    return found


def _endpoints(connection: Connection, network_ids: set[str]) -> list[Row[Any]]:
    """All ports of the networks."""
    found: list[Row[Any]] = []
    for some in base.chunks(sorted(network_ids)):
        found += connection.execute(sa.select(*_PORT).where(tables.ports.c.network_id.in_(some))).all()
    return found


def _served(connection: Connection, host: str) -> set[str]:
    agents, serving = tables.agents, tables.network_agents
    query = (
        sa.select(serving.c.network_id)
        .join(agents, agents.c.id == serving.c.agent_id)
        .where(agents.c.host == host, agents.c.agent_type == DHCP, agents.c.admin_state_up)
    )
    with_dhcp = sa.select(tables.subnets.c.network_id).where(tables.subnets.c.enable_dhcp)
    return set(connection.execute(query.where(serving.c.network_id.in_(with_dhcp))).scalars())


def _carried(connection: Connection, host: str) -> list[str]:
    agents, carrying = tables.agents, tables.router_agents
    query = (
        sa.select(carrying.c.router_id)
        .join(agents, agents.c.id == carrying.c.agent_id)
        .where(agents.c.host == host, agents.c.agent_type == L3, agents.c.admin_state_up)
    )
    return list(connection.execute(query).scalars())


def _bound(connection: Connection, host: str) -> set[str]:
    """Ports whose binding is here: the active one, or one prepared for a server that is on its way."""
    ports, prepared = tables.ports, tables.port_bindings
    bound = sa.select(ports.c.id).where(
        ports.c.binding_host_id == host, ports.c.binding_vif_type.not_in(bindings.UNBOUND)
    )
    coming = sa.select(prepared.c.port_id).where(prepared.c.host == host, prepared.c.vif_type.not_in(bindings.UNBOUND))
    return {*connection.execute(bound).scalars().all(), *connection.execute(coming).scalars().all()}


def _subports(connection: Connection, parents: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Ports that reach this host over a parent port, whatever they say of themselves."""
    trunks, subports = tables.trunks, tables.trunk_subports
    found = {}
    for some in base.chunks(sorted(parents)):
        query = (
            sa.select(subports.c.port_id, trunks.c.port_id.label("parent"), subports.c.segmentation_id)
            .join(trunks, trunks.c.id == subports.c.trunk_id)
            .where(trunks.c.port_id.in_(some), trunks.c.admin_state_up, subports.c.segmentation_type == "vlan")
        )
        found.update({row.port_id: (row.parent, row.segmentation_id) for row in connection.execute(query)})
    return found


def _policies(connection: Connection, users: list[Row[Any]]) -> dict[str, list[dict[str, Any]]]:
    ids = {row.qos_policy_id for row in users if row.qos_policy_id}
    found = rows_in(connection, tables.qos_policies, "id", ids)
    return {row.id: base.from_json(row.rules) for row in found}
