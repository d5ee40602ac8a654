"""Ports: their devices and how these are filtered."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial

from cumulet.agents.network import names
from cumulet.agents.network.planning.plans import DevicePlan, DhcpPlan, PortFilter, RouterPlan
from cumulet.agents.network.planning.view import Unplannable, View
from cumulet.agents.network.state import Port, ip_network

InnerEnds = Mapping[str, tuple[str, str]]  # port id -> (namespace, device in it)


def inner_ends(view: View, dhcp: Iterable[DhcpPlan], routers: Iterable[RouterPlan]) -> dict[str, tuple[str, str]]:
    """The ports that this agent plugs into namespaces of its own.

    They are those that a DHCP server or router on this host refers to. What a port calls its owner does not matter: it
    is something a user can write.
    """
    ends = {view.dhcp_port(plan.network_id).id: (plan.namespace, plan.device) for plan in dhcp}
    for router in routers:
        devices = [*router.interfaces, *([router.gateway.device] if router.gateway else [])]
        devices += [router.ha_device] if router.ha_device else []
        ends |= {device.port_id: (router.namespace, device.name) for device in devices}
    return ends


def plan_device(view: View, inner: InnerEnds, port: Port) -> DevicePlan:
    """A port's device: one end of a veth pair, a sub-port's VLAN, or what the hypervisor plugs itself.

    Raises Unplannable.
    """
    network = view.network(port.network_id)
    device = partial(
        DevicePlan,
        name=names.tap(port.id),
        port_id=port.id,
        bridge=view.bridge_name(network.id) or "",
        mtu=network.mtu,
        mac=port.mac_address,
        up=port.admin_state_up,
    )
    if port.id in inner:
        namespace, peer = inner[port.id]
        return device(kind="veth", namespace=namespace, peer=peer)
    if port.trunk_port is not None:
        return device(kind="vlan", parent=names.tap(port.trunk_port), vlan=port.vlan)
    if port.plug != "veth":
        return device(kind=port.plug)
    if port.peer_name is None:
        raise Unplannable("a port plugged as veth needs a peer_name")
    return device(kind="veth", namespace=port.peer_namespace, peer=port.peer_name)


def plan_filter(view: View, inner: InnerEnds, port: Port) -> PortFilter:
    """What may pass a port. A security group that is not known here is told in `view.notes`."""
    device, bridge = names.tap(port.id), view.bridge_name(port.network_id) or ""
    if port.id in inner:
        return PortFilter(device=device, port_id=port.id, bridge=bridge, mode="trusted")
    if not port.port_security_enabled:
        return PortFilter(device=device, port_id=port.id, bridge=bridge, mode="open")
    groups = [view.state.security_groups[g] for g in port.security_groups if g in view.state.security_groups]
    missing = sorted(set(port.security_groups) - {g.id for g in groups})
    if missing:
        # An unknown group allows nothing; the port keeps its device and what its other groups allow.
        view.notes[f"ports/{port.id}"] = f"security groups {', '.join(missing)} are not known here"
    macs, sources = _sources(port)
    return PortFilter(
        device=device,
        port_id=port.id,
        bridge=bridge,
        mode="guest",
        macs=macs,
        sources=sources,
        groups=tuple(sorted(g.id for g in groups)) if view.config.enable_security_group else None,
        stateful=any(g.stateful for g in groups) or not groups,
    )


@lru_cache(maxsize=65536)
def _sources(port: Port) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The MACs of a port and what each may send from: fixed addresses, allowed pairs, the MAC's link-local address."""
    pairs = {(port.mac_address, str(ip_network(fixed.ip_address))) for fixed in port.fixed_ips}
    for pair in port.allowed_address_pairs:
        pairs.add((pair.mac_address or port.mac_address, str(ip_network(pair.ip_address))))
    macs = {port.mac_address, *(mac for mac, _ in pairs)}
    pairs |= {(mac, f"{link_local(mac)}/128") for mac in macs}
    return tuple(sorted(macs)), tuple(sorted(pairs))


def link_local(mac: str) -> ipaddress.IPv6Address:
    """The EUI-64 link-local address of a MAC (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 0x02
    suffix = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]))
    return ipaddress.IPv6Address((0xFE80 << 112) | suffix)
