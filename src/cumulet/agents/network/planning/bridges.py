"""A network's bridge and what ties it to other hosts."""

from __future__ import annotations

from cumulet.agents.network import names
from cumulet.agents.network.planning.plans import BridgePlan, PhysicalUplink, VxlanUplink
from cumulet.agents.network.planning.view import Unplannable, View
from cumulet.agents.network.state import Network


def plan_bridge(view: View, network: Network) -> BridgePlan:
    mapped = view.mapped_bridge(network)
    if mapped is not None:
        return BridgePlan(name=mapped, network_id=network.id, mtu=network.mtu, owned=False, uplink=None)
    uplink: VxlanUplink | PhysicalUplink | None = None
    if network.network_type == "vxlan":
        uplink = _tunnel(view, network)
    elif network.network_type in ("flat", "vlan"):
        uplink = _physical(view, network)
    return BridgePlan(name=names.bridge(network.id), network_id=network.id, mtu=network.mtu, uplink=uplink)


def _tunnel(view: View, network: Network) -> VxlanUplink | None:
    """None on a host without a tunnel end as long as it is the only one that has ports of the network."""
    local = view.config.local_ip
    if local is None:
        if any(endpoint.tunnel_ips for endpoint in view.endpoints_of[network.id]):
            raise Unplannable("this host has no local_ip for tunnels to the others")
        return None
    flood: set[str] = set()
    entries: set[tuple[str, str]] = set()
    for endpoint in view.endpoints_of[network.id]:
        others = [ip for ip in endpoint.tunnel_ips if ip != local]
        flood.update(others)
        # A MAC that may be on several hosts (an HA router's) or is here is found by flooding and learning.
        if len(others) == len(endpoint.tunnel_ips) == 1:
            entries.add((endpoint.mac_address, others[0]))
    return VxlanUplink(
        name=names.vxlan(network.segmentation_id or 0),
        vni=network.segmentation_id or 0,
        flood=frozenset(flood),
        entries=frozenset(entries),
    )


def _physical(view: View, network: Network) -> PhysicalUplink:
    interface = view.config.physical_interface_mappings.get(network.physical_network or "")
    if interface is None:
        raise Unplannable(f"physical network {network.physical_network} has no interface on this host")
    if network.network_type == "vlan" and network.segmentation_id is not None:
        return PhysicalUplink(
            name=names.vlan(interface, network.segmentation_id), interface=interface, vlan=network.segmentation_id
        )
    return PhysicalUplink(name=interface, interface=interface)
