"""The wanted state of the network on one host: all that its agent needs to know, and nothing else reaches it.

The control plane sends a `WantedState` (everything) or a `Delta` (what changed since a generation); see `deltas.py`.
Objects are immutable and carry API names. A value that could do harm in a device name, a path or a configuration file
(control characters, malformed addresses) is refused when the object is decoded, so no driver has to look again.

Units: kbit/s and kbit for bandwidth, thousand packets a second for packet rates, bytes for MTU.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
Uuid = Annotated[str, Meta(pattern=_UUID)]
Mac = Annotated[str, Meta(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")]
# A device, interface or physical network name: no slash, no space, no control character.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]
# A host or domain name (RFC 1123), empty when there is none.
DnsName = Annotated[str, Meta(pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}))?\Z")]
# Free text that ends in one line of a file: no control character can be in it.
Line = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", max_length=4096)]
Mtu = Annotated[int, Meta(ge=68, le=65535)]
PortNumber = Annotated[int, Meta(ge=0, le=65535)]

NetworkType = Literal["flat", "vlan", "vxlan", "local"]
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=1 << 16)
def ip_address(value: str) -> IpAddress:
    """An address without a scope: Python would take any text, a newline too, after the `%` of an IPv6 address."""
    if "%" in value:
        raise ValueError(f"{value!r} has a scope, which an address here must not have")
    return ipaddress.ip_address(value)


@lru_cache(maxsize=1 << 16)
def ip_network(value: str) -> IpNetwork:
    """A prefix or single address; bits behind the prefix are dropped."""
    if "%" in value:
        raise ValueError(f"{value!r} has a scope, which a prefix here must not have")
    return ipaddress.ip_network(value, strict=False)


@lru_cache(maxsize=1 << 16)
def network_text(network: IpNetwork) -> str:
    """As nftables takes it: a prefix, or a single address without its length."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


class Network(Struct, frozen=True, omit_defaults=True):
    """A network with at least one port, DHCP server or router on this host."""

    id: Uuid
    network_type: NetworkType
    segmentation_id: Annotated[int, Meta(ge=1, le=16777215)] | None = None
    physical_network: Name | None = None
    mtu: Mtu = 1500
    dhcp: bool = False  # this host serves DHCP for it
    dns_domain: DnsName = ""

    def __post_init__(self) -> None:
        if self.network_type in ("vlan", "vxlan") and self.segmentation_id is None:
            raise ValueError(f"a {self.network_type} network needs a segmentation_id")
        if self.network_type in ("flat", "vlan") and self.physical_network is None:
            raise ValueError(f"a {self.network_type} network needs a physical_network")


class AllocationPool(Struct, frozen=True):
    start: str
    end: str

    def __post_init__(self) -> None:
        ip_address(self.start)
        ip_address(self.end)


class Route(Struct, frozen=True):
    destination: str
    nexthop: str

    def __post_init__(self) -> None:
        ip_network(self.destination)
        ip_address(self.nexthop)


class Subnet(Struct, frozen=True, omit_defaults=True):
    id: Uuid
    network_id: Uuid
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    allocation_pools: tuple[AllocationPool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[Route, ...] = ()
    ipv6_ra_mode: Ipv6Mode | None = None
    ipv6_address_mode: Ipv6Mode | None = None

    def __post_init__(self) -> None:
        ip_network(self.cidr)
        for address in (*self.dns_nameservers, *([self.gateway_ip] if self.gateway_ip else [])):
            ip_address(address)

    @property
    def network(self) -> IpNetwork:
        return ip_network(self.cidr)

    @property
    def ip_version(self) -> int:
        return self.network.version


class FixedIp(Struct, frozen=True):
    subnet_id: Uuid
    ip_address: str

    def __post_init__(self) -> None:
        ip_address(self.ip_address)


class AddressPair(Struct, frozen=True, omit_defaults=True):
    """An allowed address pair; without a MAC it is the port's own."""

    ip_address: str
    mac_address: Mac | None = None

    def __post_init__(self) -> None:
        ip_network(self.ip_address)


class DhcpOption(Struct, frozen=True, omit_defaults=True):
    """An extra DHCP option: a name dnsmasq knows or a number; without a value the option is withheld."""

    opt_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
    opt_value: Line | None = None
    ip_version: Literal[4, 6] = 4


class Qos(Struct, frozen=True, omit_defaults=True):
    """The effective QoS of a port. Directions are the guest's: egress is what it sends. 0 is no limit."""

    egress_kbps: int = 0
    egress_burst_kbits: int = 0
    ingress_kbps: int = 0
    ingress_burst_kbits: int = 0
    egress_kpps: int = 0
    ingress_kpps: int = 0
    dscp_mark: Annotated[int, Meta(ge=0, le=63)] | None = None


class Port(Struct, frozen=True, omit_defaults=True):
    """A port that is bound to this host, a guest's or one of our own (DHCP server, router).

    `plug` says who makes its device `tap` + the id's first eleven characters: `tap` this agent, a persistent tap that a
    hypervisor opens; `veth` this agent, a pair whose other end `peer_name` lies in `peer_namespace` (containers);
    `external` somebody else, and the agent takes it up as soon as it appears. Ignored for the agent's own ports.

    A port of a trunk has no device of a hypervisor's: it is what the trunk's parent `trunk_port` sends and takes with
    the tag `vlan`.
    """

    id: Uuid
    network_id: Uuid
    mac_address: Mac
    fixed_ips: tuple[FixedIp, ...] = ()
    device_owner: Line = ""
    device_id: Line = ""
    project_id: Line = ""
    admin_state_up: bool = True
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    security_groups: tuple[Uuid, ...] = ()
    qos: Qos | None = None
    plug: Literal["tap", "veth", "external"] = "external"
    peer_namespace: Name | None = None
    peer_name: Name | None = None
    trunk_port: Uuid | None = None
    vlan: Annotated[int, Meta(ge=1, le=4094)] | None = None


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """Any port, here or on another host, of a network that this host takes part in.

    It is what tunnels (`tunnel_ips`), DHCP (names, options) and metadata (`device_id`) need to know of a port.
    `tunnel_ips` are the VXLAN end points of the hosts where its MAC may be: one as a rule, several for the port of an
    HA router, none for a port that is not bound.
    """

    id: Uuid
    network_id: Uuid
    mac_address: Mac
    fixed_ips: tuple[FixedIp, ...] = ()
    device_owner: Line = ""
    device_id: Line = ""
    project_id: Line = ""
    dns_name: DnsName = ""
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    tunnel_ips: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for address in self.tunnel_ips:
            ip_address(address)


PROTOCOL_NUMBERS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
ICMP, ICMPV6 = 1, 58
_WITH_PORTS = frozenset({6, 17, 33, 132, 136})  # TCP, UDP, DCCP, SCTP, UDP-Lite


class SecurityRule(Struct, frozen=True, omit_defaults=True):
    """A rule as the API shows it: for ICMP the port range is type and code. All None allows everything."""

    id: Uuid
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | int | None = None
    port_range_min: PortNumber | None = None
    port_range_max: PortNumber | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: Uuid | None = None
    remote_address_group_id: Uuid | None = None

    def __post_init__(self) -> None:
        if self.remote_ip_prefix is not None:
            ip_network(self.remote_ip_prefix)
        number, first, last = self.protocol_number, self.port_range_min, self.port_range_max
        if first is None and last is None:
            return
        if number not in _WITH_PORTS and number not in (ICMP, ICMPV6):
            raise ValueError(f"protocol {self.protocol} has no ports")
        if first is None or (number in _WITH_PORTS and last is not None and last < first):
            raise ValueError(f"{first} to {last} is no range of ports")

    @property
    def protocol_number(self) -> int | None:
        """The IP protocol's number, None for any. `icmp` in an IPv6 rule is ICMPv6, as in the API."""
        if self.protocol is None or self.protocol in ("any", ""):
            return None
        name = str(self.protocol)
        number = int(name) if name.isascii() and name.isdigit() else PROTOCOL_NUMBERS.get(name)
        if number is None or number > 255:
            raise ValueError(f"unknown protocol {name!r}")
        return ICMPV6 if number == ICMP and self.ethertype == "IPv6" else number

    @property
    def remote_set(self) -> str | None:
        """The address set a remote group or a remote address group stands for."""
        return self.remote_group_id or self.remote_address_group_id


class SecurityGroup(Struct, frozen=True, omit_defaults=True):
    id: Uuid
    stateful: bool = True
    rules: tuple[SecurityRule, ...] = ()


class AddressSet(Struct, frozen=True, omit_defaults=True):
    """The addresses of a remote group's members, or of an address group: IP addresses or CIDRs of either family."""

    id: Uuid
    addresses: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for address in self.addresses:
            ip_network(address)


class FloatingIp(Struct, frozen=True, omit_defaults=True):
    id: Uuid
    floating_ip_address: str
    fixed_ip_address: str
    qos: Qos | None = None

    def __post_init__(self) -> None:
        ip_address(self.floating_ip_address)
        ip_address(self.fixed_ip_address)


class PortForwarding(Struct, frozen=True, omit_defaults=True):
    """External port or range `external_port` .. `external_port_end` to as many internal ones, or all to one."""

    id: Uuid
    floating_ip_address: str
    protocol: Literal["tcp", "udp"]
    external_port: PortNumber
    internal_ip_address: str
    internal_port: PortNumber
    external_port_end: PortNumber | None = None
    internal_port_end: PortNumber | None = None

    def __post_init__(self) -> None:
        ip_address(self.floating_ip_address)
        ip_address(self.internal_ip_address)


class HighAvailability(Struct, frozen=True, omit_defaults=True):
    """VRRP among the hosts that carry the router; `port_id` is this host's port on the HA network."""

    port_id: Uuid
    vr_id: Annotated[int, Meta(ge=1, le=255)]
    priority: Annotated[int, Meta(ge=1, le=254)] = 50
    advert_interval: Annotated[float, Meta(ge=0.1, le=10)] = 0.5  # seconds


class Router(Struct, frozen=True, omit_defaults=True):
    """A router on this host. Its ports are in `WantedState.ports` with their addresses."""

    id: Uuid
    project_id: Line = ""
    admin_state_up: bool = True
    interfaces: tuple[Uuid, ...] = ()
    gateway_port: Uuid | None = None
    enable_snat: bool = True
    routes: tuple[Route, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()
    port_forwardings: tuple[PortForwarding, ...] = ()
    gateway_qos: Qos | None = None
    ha: HighAvailability | None = None


class MeteringRule(Struct, frozen=True, omit_defaults=True):
    """Traffic to (egress) or from (ingress) the remote prefix that crosses the router's gateway."""

    id: Uuid
    direction: Literal["ingress", "egress"]
    remote_ip_prefix: str | None = None
    source_ip_prefix: str | None = None
    destination_ip_prefix: str | None = None
    excluded: bool = False

    def __post_init__(self) -> None:
        for prefix in (self.remote_ip_prefix, self.source_ip_prefix, self.destination_ip_prefix):
            if prefix is not None:
                ip_network(prefix)


class MeteringLabel(Struct, frozen=True, omit_defaults=True):
    id: Uuid
    router_ids: tuple[Uuid, ...] = ()
    rules: tuple[MeteringRule, ...] = ()


class WantedState(Struct, frozen=True, omit_defaults=True):
    """What should be on `host`. `generation` grows with every change; a full state may be sent at any time."""

    host: str
    generation: int
    networks: dict[str, Network] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    security_groups: dict[str, SecurityGroup] = field(default_factory=dict)
    address_sets: dict[str, AddressSet] = field(default_factory=dict)
    routers: dict[str, Router] = field(default_factory=dict)
    metering_labels: dict[str, MeteringLabel] = field(default_factory=dict)


KINDS: dict[str, type[Any]] = {
    "networks": Network,
    "subnets": Subnet,
    "ports": Port,
    "endpoints": Endpoint,
    "security_groups": SecurityGroup,
    "address_sets": AddressSet,
    "routers": Router,
    "metering_labels": MeteringLabel,
}
