"""A small cloud's network in the control plane's place: objects by name in, each host's wanted state out."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from cumulet.agents.network import names
from cumulet.agents.network.state import (
    AddressSet,
    Endpoint,
    FixedIp,
    FloatingIp,
    HighAvailability,
    MeteringLabel,
    Network,
    Port,
    Router,
    SecurityGroup,
    SecurityRule,
    Subnet,
    WantedState,
)


def new_id() -> str:
    return str(uuid.uuid4())


def rule(direction: str = "ingress", **attributes: Any) -> SecurityRule:
    return SecurityRule(id=new_id(), direction=direction, **attributes)  # type: ignore[arg-type]


EGRESS_ALL = (rule("egress"), rule("egress", ethertype="IPv6"))


class Cloud:
    """What exists. `where` says on which hosts a port or router is; `tunnel_ips` each host's VXLAN end point."""

    def __init__(self, **tunnel_ips: str) -> None:
        self.tunnel_ips = tunnel_ips
        self.generation = 0
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.groups: dict[str, SecurityGroup] = {}
        self.address_sets: dict[str, AddressSet] = {}
        self.routers: dict[str, Router] = {}
        self.labels: dict[str, MeteringLabel] = {}
        self.where: dict[str, tuple[str, ...]] = {}
        self.endpoint_extras: dict[str, dict[str, Any]] = {}
        self._macs = 0
        self.dhcp_on: set[tuple[str, str]] = set()

    # -- making -------------------------------------------------------------------------------------------------------

    def network(self, network_type: str = "local", **attributes: Any) -> Network:
        network = Network(id=new_id(), network_type=network_type, **attributes)  # type: ignore[arg-type]
        self.networks[network.id] = network
        return network

    def subnet(self, network: Network, cidr: str, **attributes: Any) -> Subnet:
        subnet = Subnet(id=new_id(), network_id=network.id, cidr=cidr, **attributes)
        self.subnets[subnet.id] = subnet
        return subnet

    def group(self, *rules: SecurityRule, **attributes: Any) -> SecurityGroup:
        group = SecurityGroup(id=new_id(), rules=rules, **attributes)
        self.groups[group.id] = group
        return group

    def port(
        self, network: Network, host: str | tuple[str, ...], addresses: dict[str, Subnet], **attributes: Any
    ) -> Port:
        """`addresses` maps an address to its subnet; endpoint attributes may be among the others."""
        self._macs += 1
        extras = {k: attributes.pop(k) for k in ("dns_name", "extra_dhcp_opts") if k in attributes}
        values: dict[str, Any] = {
            "mac_address": f"fa:16:3e:00:{self._macs >> 8:02x}:{self._macs & 255:02x}",
            "device_owner": "compute:nova",
            "device_id": new_id(),
            "project_id": "project",
            **attributes,
        }
        port = Port(
            id=values.pop("id", None) or new_id(),
            network_id=network.id,
            fixed_ips=tuple(FixedIp(subnet.id, address) for address, subnet in addresses.items()),
            **values,
        )
        self.ports[port.id] = port
        self.where[port.id] = (host,) if isinstance(host, str) else host
        self.endpoint_extras[port.id] = extras
        return port

    def guest(
        self, network: Network, host: str, addresses: dict[str, Subnet], namespace: str, **attributes: Any
    ) -> Port:
        """A port whose other end is `eth0` of a namespace."""
        return self.port(
            network, host, addresses, plug="veth", peer_namespace=namespace, peer_name="eth0", **attributes
        )

    def dhcp(self, network: Network, host: str, addresses: dict[str, Subnet]) -> Port:
        self.dhcp_on.add((host, network.id))
        return self.port(network, host, addresses, device_owner=names.DHCP_OWNER, device_id=f"dhcp-{host}")

    def router(
        self,
        host: str | tuple[str, ...],
        interfaces: list[tuple[Network, dict[str, Subnet]]],
        gateway: tuple[Network, dict[str, Subnet]] | None = None,
        **attributes: Any,
    ) -> Router:
        router_id = new_id()
        owner = "network:router_interface"
        inner = [
            self.port(network, host, addresses, device_owner=owner, device_id=router_id)
            for network, addresses in interfaces
        ]
        outer = None
        if gateway is not None:
            outer = self.port(gateway[0], host, gateway[1], device_owner=names.GATEWAY_OWNER, device_id=router_id)
        router = Router(
            id=router_id,
            interfaces=tuple(port.id for port in inner),
            gateway_port=outer.id if outer else None,
            **attributes,
        )
        self.routers[router.id] = router
        self.where[router.id] = (host,) if isinstance(host, str) else host
        return router

    def high_availability(self, router: Router, network: Network, subnet: Subnet, addresses: dict[str, str]) -> None:
        """Each host's own port on the HA network; `addresses` by host. The router differs from host to host."""
        self._ha = getattr(self, "_ha", {})
        for number, (host, address) in enumerate(addresses.items()):
            port = self.port(network, host, {address: subnet}, device_owner=names.HA_OWNER, device_id=router.id)
            self._ha[router.id, host] = HighAvailability(port_id=port.id, vr_id=7, priority=60 - number * 5)

    # -- changing -----------------------------------------------------------------------------------------------------

    def change(self, item: Any, **attributes: Any) -> Any:
        """Replace an object by one with other attributes, and return it."""
        new = msgspec.structs.replace(item, **attributes)
        for kind in (
            self.networks,
            self.subnets,
            self.ports,
            self.groups,
            self.address_sets,
            self.routers,
            self.labels,
        ):
            if item.id in kind:
                kind[item.id] = new  # type: ignore[index]
        return new

    def _kinds(self) -> tuple[dict[str, Any], ...]:
        return (
            self.networks, self.subnets, self.ports, self.groups, self.address_sets, self.routers, self.labels,
        )  # fmt: skip

    def members(self, set_id: str, *addresses: str) -> None:
        self.address_sets[set_id] = AddressSet(id=set_id, addresses=frozenset(addresses))

    def floating_ip(self, router: Router, floating: str, fixed: str, **attributes: Any) -> Router:
        current = self.routers[router.id]
        new = FloatingIp(id=new_id(), floating_ip_address=floating, fixed_ip_address=fixed, **attributes)
        changed: Router = self.change(current, floating_ips=(*current.floating_ips, new))
        return changed

    def remove(self, item: Any) -> None:
        for kind in (
            self.networks,
            self.subnets,
            self.ports,
            self.groups,
            self.address_sets,
            self.routers,
            self.labels,
        ):
            kind.pop(item.id, None)  # type: ignore[attr-defined]
        self.where.pop(item.id, None)

    # -- telling ------------------------------------------------------------------------------------------------------

    def state(self, host: str) -> WantedState:
        """The host's whole wanted state, of a new generation."""
        self.generation += 1
        ports = {i: p for i, p in self.ports.items() if host in self.where[i]}
        here = {p.network_id for p in ports.values()}
        networks = {
            i: msgspec.structs.replace(n, dhcp=(host, i) in self.dhcp_on) for i, n in self.networks.items() if i in here
        }
        routers = {i: self._router_on(r, host) for i, r in self.routers.items() if host in self.where[i]}
        return WantedState(
            host=host,
            generation=self.generation,
            networks=networks,
            subnets={i: s for i, s in self.subnets.items() if s.network_id in here},
            ports=ports,
            endpoints={i: self._endpoint(p) for i, p in self.ports.items() if p.network_id in here},
            security_groups=dict(self.groups),
            address_sets=dict(self.address_sets),
            routers=routers,
            metering_labels=dict(self.labels),
        )

    def _router_on(self, router: Router, host: str) -> Router:
        ha = getattr(self, "_ha", {}).get((router.id, host))
        return router if ha is None else msgspec.structs.replace(router, ha=ha)

    def _endpoint(self, port: Port) -> Endpoint:
        hosts = self.where[port.id]
        return Endpoint(
            id=port.id,
            network_id=port.network_id,
            mac_address=port.mac_address,
            fixed_ips=port.fixed_ips,
            device_owner=port.device_owner,
            device_id=port.device_id,
            project_id=port.project_id,
            tunnel_ips=tuple(self.tunnel_ips[h] for h in hosts if h in self.tunnel_ips),
            **self.endpoint_extras[port.id],
        )
