"""Names of devices and namespaces, as Neutron's agents give them, so that an operator finds what they know.

A device name has at most 15 characters (IFNAMSIZ - 1), hence the first eleven of a UUID.
"""

from __future__ import annotations

import hashlib

UUID_PART = 11
IFNAME_MAX = 15

DHCP_OWNER = "network:dhcp"
GATEWAY_OWNER = "network:router_gateway"
HA_OWNER = "network:router_ha_interface"
ROUTER_INTERFACE_OWNERS = frozenset(
    {
        "network:router_interface",
        "network:ha_router_replicated_interface",
        "network:router_interface_distributed",
        "network:router_centralized_snat",
    }
)

DHCP_NAMESPACE = "qdhcp-"
ROUTER_NAMESPACE = "qrouter-"


def bridge(network_id: str) -> str:
    return "brq" + network_id[:UUID_PART]


def tap(port_id: str) -> str:
    return "tap" + port_id[:UUID_PART]


def vxlan(segmentation_id: int) -> str:
    return f"vxlan-{segmentation_id}"


def vlan(interface: str, segmentation_id: int) -> str:
    """`eth0.100`; a hash in place of an interface name that leaves no room for the tag."""
    name = f"{interface}.{segmentation_id}"
    if len(name) <= IFNAME_MAX:
        return name
    short = hashlib.sha256(interface.encode()).hexdigest()[: IFNAME_MAX - len(f".{segmentation_id}")]
    return f"{short}.{segmentation_id}"


def inner_device(port_id: str, device_owner: str) -> str:
    """The end of an infrastructure port's veth that lies inside its namespace."""
    if device_owner == DHCP_OWNER:
        return "ns-" + port_id[:UUID_PART]
    if device_owner == GATEWAY_OWNER:
        return "qg-" + port_id[:UUID_PART]
    if device_owner == HA_OWNER:
        return "ha-" + port_id[:UUID_PART]
    return "qr-" + port_id[:UUID_PART]


def dhcp_namespace(network_id: str, prefix: str = "") -> str:
    return f"{prefix}{DHCP_NAMESPACE}{network_id}"


def router_namespace(router_id: str, prefix: str = "") -> str:
    return f"{prefix}{ROUTER_NAMESPACE}{router_id}"
