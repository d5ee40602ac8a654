"""A router: its devices, addresses, advertisements, NAT and metering."""

from __future__ import annotations

from cumulet.agents.network import names
from cumulet.agents.network.planning.plans import (
    Advertisement,
    MeteringPlan,
    RouterDevice,
    RouterGateway,
    RouterPlan,
)
from cumulet.agents.network.planning.view import View
from cumulet.agents.network.state import Router, Subnet


def plan_router(view: View, router: Router) -> RouterPlan:
    metering = [
        MeteringPlan(label_id=label.id, rules=label.rules)
        for label in sorted(view.state.metering_labels.values(), key=lambda label: label.id)
        if router.id in label.router_ids
    ]
    return RouterPlan(
        router_id=router.id,
        namespace=names.router_namespace(router.id, view.config.prefix),
        interfaces=tuple(_interface(view, port_id) for port_id in router.interfaces),
        gateway=None if router.gateway_port is None else _gateway(view, router, router.gateway_port),
        routes=router.routes,
        floating_ips=router.floating_ips,
        port_forwardings=router.port_forwardings,
        metering=tuple(metering),
        ha=router.ha,
        ha_device=None if router.ha is None else _device(view, router.ha.port_id, names.HA_OWNER),
    )


def _device(view: View, port_id: str, owner: str) -> RouterDevice:
    port = view.port(port_id)
    network = view.network(port.network_id)
    return RouterDevice(
        name=names.inner_device(port.id, owner),
        port_id=port.id,
        mac=port.mac_address,
        mtu=network.mtu,
        addresses=view.cidrs(port),
    )


def _interface(view: View, port_id: str) -> RouterDevice:
    device = _device(view, port_id, "network:router_interface")
    subnets = [view.subnet(fixed.subnet_id) for fixed in view.port(port_id).fixed_ips]
    advertised = tuple(_advertisement(s) for s in subnets if s.ip_version == 6 and s.ipv6_ra_mode)
    return RouterDevice(
        name=device.name,
        port_id=device.port_id,
        mac=device.mac,
        mtu=device.mtu,
        addresses=device.addresses,
        advertisements=advertised,
    )


def _gateway(view: View, router: Router, port_id: str) -> RouterGateway:
    device = _device(view, port_id, names.GATEWAY_OWNER)
    port = view.port(port_id)
    own = {fixed.subnet_id for fixed in port.fixed_ips}
    # A floating IP may come from another subnet of the external network: that subnet is on the same link.
    others = tuple(sorted(s.cidr for s in view.subnets_of[port.network_id] if s.id not in own))
    return RouterGateway(
        device=RouterDevice(
            name=device.name,
            port_id=device.port_id,
            mac=device.mac,
            mtu=device.mtu,
            addresses=device.addresses,
            on_link=others,
        ),
        next_hops=tuple(s.gateway_ip for s in map(view.subnet, sorted(own)) if s.gateway_ip),
        enable_snat=router.enable_snat,
        qos=router.gateway_qos,
    )


def _advertisement(subnet: Subnet) -> Advertisement:
    """RFC 4861's M and O flags and the prefix's A flag for each of the API's modes."""
    return Advertisement(
        prefix=subnet.cidr,
        autonomous=subnet.ipv6_ra_mode in ("slaac", "dhcpv6-stateless"),
        managed=subnet.ipv6_ra_mode == "dhcpv6-stateful",
        other=subnet.ipv6_ra_mode == "dhcpv6-stateless",
        dns_nameservers=subnet.dns_nameservers if subnet.ipv6_ra_mode == "slaac" else (),
    )
