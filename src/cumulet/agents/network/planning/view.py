"""The wanted state with the look-ups that planning needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from cumulet.agents.network import names
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.state import Endpoint, Network, Port, Subnet, WantedState


class Unplannable(Exception):
    """An object that cannot be had on this host, with the reason a user should see."""


@dataclass(frozen=True)
class View:
    """One wanted state, indexed by network."""

    state: WantedState
    config: AgentConfig
    subnets_of: dict[str, list[Subnet]]
    endpoints_of: dict[str, list[Endpoint]]
    notes: dict[str, str]  # what is wrong with objects that are planned nevertheless, by kind/id

    @classmethod
    def of(cls, state: WantedState, config: AgentConfig) -> View:
        subnets: dict[str, list[Subnet]] = defaultdict(list)
        for subnet in state.subnets.values():
            subnets[subnet.network_id].append(subnet)
        endpoints: dict[str, list[Endpoint]] = defaultdict(list)
        for endpoint in state.endpoints.values():
            endpoints[endpoint.network_id].append(endpoint)
        return cls(state, config, subnets, endpoints, {})

    def network(self, network_id: str) -> Network:
        found = self.state.networks.get(network_id)
        if found is None:
            raise Unplannable(f"network {network_id} is not known here")
        return found

    def port(self, port_id: str) -> Port:
        found = self.state.ports.get(port_id)
        if found is None:
            raise Unplannable(f"port {port_id} is not on this host")
        return found

    def subnet(self, subnet_id: str) -> Subnet:
        found = self.state.subnets.get(subnet_id)
        if found is None:
            raise Unplannable(f"subnet {subnet_id} is not known here")
        return found

    def mapped_bridge(self, network: Network) -> str | None:
        """The operator's bridge for a flat network, if its physical network has one."""
        if network.network_type != "flat" or network.physical_network is None:
            return None
        return self.config.bridge_mappings.get(network.physical_network)

    def bridge_name(self, network_id: str) -> str | None:
        network = self.state.networks.get(network_id)
        return None if network is None else self.mapped_bridge(network) or names.bridge(network.id)

    def cidrs(self, port: Port) -> tuple[str, ...]:
        """A port's addresses with their subnets' prefix lengths."""
        return tuple(f"{f.ip_address}/{self.subnet(f.subnet_id).network.prefixlen}" for f in port.fixed_ips)

    def dhcp_port(self, network_id: str) -> Port:
        """This host's DHCP port on a network."""
        ports = [p for p in self.dhcp_ports if p.network_id == network_id]
        if not ports:
            raise Unplannable("DHCP is to be served here, but there is no port for it")
        return min(ports, key=lambda p: p.id)

    @cached_property
    def dhcp_ports(self) -> list[Port]:
        return [p for p in self.state.ports.values() if p.device_owner == names.DHCP_OWNER]
