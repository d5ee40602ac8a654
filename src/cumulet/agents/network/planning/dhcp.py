"""A network's DHCP server: what it serves, and to whom."""

from __future__ import annotations

from cumulet.agents.network import names
from cumulet.agents.network.planning.plans import DhcpHost, DhcpPlan, DhcpSubnet
from cumulet.agents.network.planning.view import View
from cumulet.agents.network.state import Endpoint, Network, Port, Subnet


def plan_dhcp(view: View, network: Network) -> DhcpPlan:
    port = view.dhcp_port(network.id)
    subnets = sorted(view.subnets_of[network.id], key=lambda s: s.id)
    served = [s for s in (_subnet(view, port, subnet, subnets) for subnet in subnets) if s is not None]
    return DhcpPlan(
        network_id=network.id,
        namespace=names.dhcp_namespace(network.id, view.config.prefix),
        device=names.inner_device(port.id, names.DHCP_OWNER),
        mtu=network.mtu,
        addresses=view.cidrs(port),
        # Forwarded DNS questions leave through the network's own gateway, as a guest's would.
        gateways=tuple(s.gateway_ip for s in subnets if s.gateway_ip and _address_in(port, s)),
        subnets=tuple(served),
        hosts=_hosts(view, network, served),
        domain=network.dns_domain.rstrip(".") or view.config.dns_domain,
        forwarders=view.config.dns_servers,
        lease_seconds=view.config.lease_seconds,
    )


def needs_metadata(view: View, subnet: Subnet) -> bool:
    """Whether the DHCP server must answer for 169.254.169.254: always, or where no router is the subnet's gateway."""
    if view.config.force_metadata:
        return True
    if not view.config.enable_isolated_metadata:
        return False
    return subnet.gateway_ip is None or subnet.gateway_ip not in _router_addresses(view, subnet.network_id)


def _router_addresses(view: View, network_id: str) -> set[str]:
    return {
        fixed.ip_address
        for endpoint in view.endpoints_of[network_id]
        if endpoint.device_owner in names.ROUTER_INTERFACE_OWNERS
        for fixed in endpoint.fixed_ips
    }


def _address_in(port: Port, subnet: Subnet) -> str | None:
    return next((f.ip_address for f in port.fixed_ips if f.subnet_id == subnet.id), None)


def _subnet(view: View, port: Port, subnet: Subnet, subnets: list[Subnet]) -> DhcpSubnet | None:
    """None where the subnet has no DHCP, or its addresses come from router advertisements alone (SLAAC)."""
    if not subnet.enable_dhcp:
        return None
    if subnet.ip_version == 4:
        mode = "ipv4"
    elif subnet.ipv6_address_mode == "dhcpv6-stateful":
        mode = "stateful"
    elif subnet.ipv6_address_mode == "dhcpv6-stateless":
        mode = "stateless"
    else:
        return None
    return DhcpSubnet(
        id=subnet.id,
        cidr=subnet.cidr,
        mode=mode,  # type: ignore[arg-type]
        gateway=subnet.gateway_ip,
        server_ip=_address_in(port, subnet),
        dns_nameservers=subnet.dns_nameservers,
        routes=subnet.host_routes,
        on_link=tuple(s.cidr for s in subnets if s.ip_version == 4 and s.id != subnet.id),
        metadata_via_server=subnet.ip_version == 4 and needs_metadata(view, subnet),
    )


def _hosts(view: View, network: Network, served: list[DhcpSubnet]) -> tuple[DhcpHost, ...]:
    """Who may have a lease. Our own DHCP ports need none; everybody else's port may ask."""
    by_lease = {s.id for s in served if s.mode != "stateless"}
    stateless = {s.id for s in served if s.mode == "stateless"}
    hosts = []
    for endpoint in sorted(view.endpoints_of[network.id], key=lambda e: e.id):
        if endpoint.device_owner == names.DHCP_OWNER:
            continue
        addresses = tuple((f.subnet_id, f.ip_address) for f in endpoint.fixed_ips if f.subnet_id in by_lease)
        if addresses or any(f.subnet_id in stateless for f in endpoint.fixed_ips):
            hosts.append(
                DhcpHost(
                    port_id=endpoint.id,
                    mac=endpoint.mac_address,
                    hostname=_hostname(endpoint),
                    addresses=addresses,
                    options=endpoint.extra_dhcp_opts,
                )
            )
    return tuple(hosts)


def _hostname(endpoint: Endpoint) -> str:
    """The port's DNS name, else `host-10-0-0-5` as Neutron makes it from the first address."""
    if endpoint.dns_name:
        return endpoint.dns_name.split(".", 1)[0]
    first = endpoint.fixed_ips[0].ip_address if endpoint.fixed_ips else endpoint.id
    return "host-" + first.replace(".", "-").replace(":", "-")
