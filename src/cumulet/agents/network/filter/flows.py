"""Which tracked connections the rules would not allow any more.

The kernel judges a connection once, when it begins. When a rule, a group or a member goes, the connections that it had
allowed are found here by judging them again with the rules as they are now, and everybody else's stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cumulet.agents.network.filter.conntrack import Connection
from cumulet.agents.network.filter.groups import Direction
from cumulet.agents.network.planning.plans import FilterPlan, PortFilter
from cumulet.agents.network.state import (
    ICMP,
    ICMPV6,
    AddressSet,
    IpNetwork,
    SecurityGroup,
    SecurityRule,
    ip_address,
    ip_network,
)

_DHCP = frozenset({(68, 67), (67, 68), (546, 547), (547, 546)})
_UDP = 17


@dataclass(frozen=True)
class _Members:
    hosts: frozenset[str]
    networks: tuple[IpNetwork, ...]

    def __contains__(self, address: str) -> bool:
        if address in self.hosts:
            return True
        if not self.networks:
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self.networks)


class Judge:
    """The rules of one plan as a function of a connection."""

    def __init__(self, plan: FilterPlan) -> None:
        self._plan = plan
        self._members: dict[str, _Members] = {}

    def allows(self, port: PortFilter, direction: Direction, connection: Connection) -> bool:
        """Whether `connection`, begun by the port (egress) or towards it (ingress), may be."""
        if port.groups is None:
            return True
        side = connection.original
        if connection.protocol == _UDP and (side.source_port, side.destination_port) in _DHCP:
            return True
        remote = side.destination if direction == "egress" else side.source
        return any(
            self._matches(rule, connection, remote)
            for group_id in port.groups
            for rule in _relevant(self._plan.groups[group_id], direction, connection.version, connection.protocol)
        )

    def _matches(self, rule: SecurityRule, connection: Connection, remote: str) -> bool:
        first, last = rule.port_range_min, rule.port_range_max
        if first is not None and connection.protocol in (ICMP, ICMPV6):
            kind, code = connection.original.source_port, connection.original.destination_port
            if kind != first or (last is not None and code != last):
                return False
        elif first is not None and not first <= connection.original.destination_port <= (
            first if last is None else last
        ):
            return False
        if rule.remote_set is not None:
            return remote in self._set(rule.remote_set)
        return rule.remote_ip_prefix is None or ip_address(remote) in _network(rule.remote_ip_prefix)

    def _set(self, set_id: str) -> _Members:
        if set_id not in self._members:
            self._members[set_id] = _members(self._plan.address_sets.get(set_id) or AddressSet(id=set_id))
        return self._members[set_id]


@lru_cache(maxsize=4096)
def _network(text: str) -> IpNetwork:
    return ip_network(text)


def _members(address_set: AddressSet) -> _Members:
    networks = [_network(text) for text in address_set.addresses]
    return _Members(
        hosts=frozenset(str(n.network_address) for n in networks if n.prefixlen == n.max_prefixlen),
        networks=tuple(n for n in networks if n.prefixlen < n.max_prefixlen),
    )


def _relevant(group: SecurityGroup, direction: Direction, version: int, protocol: int) -> Iterable[SecurityRule]:
    ethertype = f"IPv{version}"
    return (
        rule
        for rule in group.rules
        if rule.direction == direction and rule.ethertype == ethertype and rule.protocol_number in (None, protocol)
    )


@dataclass
class Owners:
    """Ports of one network by the addresses they may send from."""

    exact: dict[str, PortFilter] = field(default_factory=dict)
    wide: list[tuple[IpNetwork, PortFilter]] = field(default_factory=list)

    @classmethod
    def of(cls, ports: Iterable[PortFilter]) -> Owners:
        owners = cls()
        for port in ports:
            for _, cidr in port.sources:
                network = _network(cidr)
                if network.prefixlen == network.max_prefixlen:
                    owners.exact[str(network.network_address)] = port
                else:
                    owners.wide.append((network, port))
        return owners

    def find(self, address: str) -> PortFilter | None:
        port = self.exact.get(address)
        if port is None and self.wide:
            parsed = ip_address(address)
            port = next((p for network, p in self.wide if parsed in network), None)
        return port


def revoked(
    connections: Iterable[Connection], ports: Owners, gone: Mapping[str, object], judge: Judge
) -> list[Connection]:
    """The connections of a network that begin or end at a port of `ports` and are not allowed to it any more, and
    those of the addresses in `gone`, which no port has any more."""
    found = []
    for connection in connections:
        side = connection.original
        sender, receiver = ports.find(side.source), ports.find(side.destination)
        if (
            (sender is not None and not judge.allows(sender, "egress", connection))
            or (receiver is not None and not judge.allows(receiver, "ingress", connection))
            or (sender is None and side.source in gone)
            or (receiver is None and side.destination in gone)
        ):
            found.append(connection)
    return found
