"""What each driver is asked for: small immutable values that the modules beside this one compute.

A driver compares them by equality to find what changed, so all of it is hashable or a plain dictionary of such.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from cumulet.agents.network.state import (
    AddressSet,
    DhcpOption,
    FloatingIp,
    HighAvailability,
    MeteringRule,
    PortForwarding,
    Qos,
    Route,
    SecurityGroup,
)

# -- switch -----------------------------------------------------------------------------------------------------------


class VxlanUplink(Struct, frozen=True):
    """A VXLAN device that forwards only as programmed: to `flood` end points, and MACs to the one they are behind."""

    name: str
    vni: int
    flood: frozenset[str] = frozenset()
    entries: frozenset[tuple[str, str]] = frozenset()  # (MAC, end point)


class PhysicalUplink(Struct, frozen=True):
    """An interface of the host in the bridge: itself (flat) or a VLAN device on it."""

    name: str
    interface: str
    vlan: int | None = None


class BridgePlan(Struct, frozen=True):
    """`owned` is False for a bridge of the operator's (`bridge_mappings`), which is used but never made or removed."""

    name: str
    network_id: str
    mtu: int
    uplink: VxlanUplink | PhysicalUplink | None = None
    owned: bool = True


class DevicePlan(Struct, frozen=True):
    """A port's device in its bridge; a veth's other end is `peer` in `namespace` and carries the port's MAC.

    A `vlan` is the part of the device `parent` that has the tag `vlan`.
    """

    name: str
    port_id: str
    bridge: str
    mtu: int
    mac: str
    kind: Literal["tap", "veth", "external", "vlan"]
    up: bool = True
    namespace: str | None = None
    peer: str | None = None
    parent: str | None = None
    vlan: int | None = None


class SwitchPlan(Struct, frozen=True):
    bridges: dict[str, BridgePlan] = field(default_factory=dict)
    devices: dict[str, DevicePlan] = field(default_factory=dict)
    namespaces: frozenset[str] = frozenset()


# -- filter -----------------------------------------------------------------------------------------------------------


class PortFilter(Struct, frozen=True):
    """How one device is filtered: `guest` in full, `open` (port security off) and `trusted` (our own) not at all."""

    device: str
    port_id: str
    bridge: str
    mode: Literal["guest", "open", "trusted"]
    macs: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()  # (MAC, CIDR) it may send from
    groups: tuple[str, ...] | None = ()  # None: security groups are switched off on this host
    stateful: bool = True


class FilterPlan(Struct, frozen=True):
    """`bridges`: name -> whether the host itself may be reached through it; `uplinks`: device -> its bridge."""

    bridges: dict[str, bool] = field(default_factory=dict)
    uplinks: dict[str, str] = field(default_factory=dict)
    ports: dict[str, PortFilter] = field(default_factory=dict)
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    address_sets: dict[str, AddressSet] = field(default_factory=dict)


# -- DHCP -------------------------------------------------------------------------------------------------------------


class DhcpSubnet(Struct, frozen=True):
    id: str
    cidr: str
    mode: Literal["ipv4", "stateful", "stateless"]
    gateway: str | None = None
    server_ip: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    on_link: tuple[str, ...] = ()  # the network's other subnets
    metadata_via_server: bool = False


class DhcpHost(Struct, frozen=True):
    port_id: str
    mac: str
    hostname: str
    addresses: tuple[tuple[str, str], ...]  # (subnet id, address)
    options: tuple[DhcpOption, ...] = ()


class DhcpPlan(Struct, frozen=True):
    """One network's DHCP server, in `namespace` on `device` with `addresses` (CIDRs)."""

    network_id: str
    namespace: str
    device: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    subnets: tuple[DhcpSubnet, ...]
    hosts: tuple[DhcpHost, ...]
    domain: str
    forwarders: tuple[str, ...]
    lease_seconds: int


# -- routers ----------------------------------------------------------------------------------------------------------


class Advertisement(Struct, frozen=True):
    """What radvd says of one IPv6 prefix."""

    prefix: str
    autonomous: bool
    managed: bool
    other: bool
    dns_nameservers: tuple[str, ...] = ()


class RouterDevice(Struct, frozen=True):
    """A `qr-`, `qg-` or `ha-` device. Addresses are CIDRs; `on_link` prefixes are on its link without an address."""

    name: str
    port_id: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    on_link: tuple[str, ...] = ()
    advertisements: tuple[Advertisement, ...] = ()


class RouterGateway(Struct, frozen=True):
    device: RouterDevice
    next_hops: tuple[str, ...]
    enable_snat: bool
    qos: Qos | None = None


class MeteringPlan(Struct, frozen=True):
    label_id: str
    rules: tuple[MeteringRule, ...]


class RouterPlan(Struct, frozen=True):
    router_id: str
    namespace: str
    interfaces: tuple[RouterDevice, ...]
    gateway: RouterGateway | None = None
    routes: tuple[Route, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()
    port_forwardings: tuple[PortForwarding, ...] = ()
    metering: tuple[MeteringPlan, ...] = ()
    ha: HighAvailability | None = None
    ha_device: RouterDevice | None = None


# -- metadata ---------------------------------------------------------------------------------------------------------


class MetadataInstance(Struct, frozen=True):
    instance_id: str
    project_id: str


class MetadataPlan(Struct, frozen=True):
    """A listener in a namespace and, by address, the servers that may ask there. One of the two ids is set."""

    namespace: str
    device: str | None  # where 169.254.169.254 is added (a DHCP server's device); None: the loopback (a router)
    link_local_devices: tuple[str, ...]  # where the IPv6 metadata address fe80::a9fe:a9fe is added
    network_id: str | None
    router_id: str | None
    instances: tuple[tuple[str, MetadataInstance], ...]


# -- all --------------------------------------------------------------------------------------------------------------


class HostPlan(Struct, frozen=True):
    """Everything for one host; `errors` are wanted objects that cannot be had, by `kind/id`."""

    switch: SwitchPlan
    filter: FilterPlan
    dhcp: dict[str, DhcpPlan]
    routers: dict[str, RouterPlan]
    metadata: dict[str, MetadataPlan]
    qos: dict[str, Qos]
    errors: dict[str, str]
