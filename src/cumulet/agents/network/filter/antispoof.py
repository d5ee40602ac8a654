"""The bridge-family table: what a port may send, what it may be sent, and which port a frame belongs to.

A guest's frame passes only with a MAC of its port; ARP and IP only with an address that the port has together with that
MAC (allowed address pairs included); neighbour advertisements only for such an address (RFC 4861); never as a DHCP
server or a router. What passes carries the port's number as mark into the inet table. All of it is look-ups keyed by
the device, so a frame's cost does not grow with the number of ports.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cumulet.agents.network.filter.boxes import Box, disjoint
from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.model import (
    Chain,
    Hook,
    Key,
    NftSet,
    Rule,
    SetSpec,
    Table,
    Value,
    Verdict,
    set_of,
)
from cumulet.agents.network.planning.plans import PortFilter
from cumulet.agents.network.state import ip_network, network_text

# ICMPv6 types: router advertisement and redirect speak for a router, which no guest is.
_ROUTER_ADVERTISEMENT, _NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT, _REDIRECT = 134, 135, 136, 137
# What a host without an address yet may send (RFC 4862, RFC 3810): solicitations and multicast listener reports.
_FROM_UNSPECIFIED = (131, 132, 133, _NEIGHBOUR_SOLICITATION, 143)

_UNSPECIFIED = "0.0.0.0"  # noqa: S104  an address to match, not to bind
_BEFORE_NETFILTER = -300  # br_netfilter calls the inet hooks at priority 0 of the bridge hooks


def build(
    name: str,
    ports: Iterable[PortFilter],
    uplinks: Mapping[str, bool],
    host_bridges: Mapping[str, bool],
    marks: Mapping[str, int],
) -> Table:
    """`uplinks`: device -> whether the host is reachable through its bridge; `host_bridges`: the same by bridge."""
    guests: list[PortFilter] = []
    others = list(uplinks)
    secluded = [device for device, reachable in uplinks.items() if not reachable]
    for port in ports:
        if port.mode == "guest":
            guests.append(port)
        else:
            others.append(port.device)
        if not host_bridges.get(port.bridge, False):
            secluded.append(port.device)
    return _Builder(name, guests, others, secluded, marks).table()


class _Builder:
    def __init__(
        self, name: str, guests: list[PortFilter], others: list[str], secluded: list[str], marks: Mapping[str, int]
    ) -> None:
        self._name = name
        self._guests = guests
        self._others = others
        self._secluded = secluded
        self._marks = marks

    def table(self) -> Table:
        return Table("bridge", self._name, self._sets(), self._chains())

    def _sets(self) -> dict[str, NftSet]:
        single: dict[int, list[Key]] = {4: [], 6: []}
        wide: dict[int, list[Key]] = {4: [], 6: []}
        for port in self._guests:
            for mac, network in _prefixes(port):
                if network.prefixlen == network.max_prefixlen:
                    single[network.version].append((port.device, mac, network_text(network)))
                else:
                    wide[network.version].append((port.device, mac, network_text(network)))
        sets = {
            "marks": NftSet(SetSpec("ifname", "mark"), {p.device: self._marks[p.port_id] for p in self._guests}),
            "macs": set_of(SetSpec(("ifname", "ether_addr")), [(p.device, m) for p in self._guests for m in p.macs]),
            "from": NftSet(SetSpec("ifname", "verdict"), self._verdicts("from_guest", "unmarked")),
            "to": NftSet(SetSpec("ifname", "verdict"), self._verdicts("to_guest", "unmarked")),
            "guests": set_of(SetSpec("ifname"), [p.device for p in self._guests]),
            "secluded": set_of(SetSpec("ifname"), self._secluded),
            "neighbours": NftSet(
                SetSpec("ifname", "verdict"),
                {p.device: Verdict("jump", _neighbour_chain(p)) for p in self._guests},
            ),
        }
        for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            spec = ("ifname", "ether_addr", kind)
            sets[f"sources{version}"] = set_of(SetSpec(spec), single[version])
            sets[f"nets{version}"] = set_of(SetSpec(spec, interval=True), wide[version])
        return sets

    def _verdicts(self, guest_chain: str, other_chain: str) -> dict[Key, Value]:
        verdicts: dict[Key, Value] = {port.device: Verdict("goto", guest_chain) for port in self._guests}
        verdicts |= {device: Verdict("goto", other_chain) for device in self._others}
        return verdicts

    def _chains(self) -> dict[str, Chain]:
        iif, oif, mark = e.meta("iifname"), e.meta("oifname"), e.meta("mark")
        source, target = e.field("ether", "saddr"), e.field("ether", "daddr")
        ether_type = e.field("ether", "type")
        chains = {
            "prerouting": Chain([[e.vmap(iif, "from")]], Hook("filter", "prerouting", _BEFORE_NETFILTER)),
            "forward": Chain(
                [
                    [e.vmap(oif, "to")],
                    # To a device that is not ours, in a bridge of the operator's: the mark was the sender's.
                    [e.match(iif, "@guests"), e.assign(mark, 0)],
                ],
                Hook("filter", "forward", _BEFORE_NETFILTER),
            ),
            # Towards the host itself: nothing from networks it has no address on, whatever it listens to.
            "input": Chain([[e.match(iif, "@secluded"), e.DROP]], Hook("filter", "input", _BEFORE_NETFILTER)),
            "unmarked": Chain([[e.assign(mark, 0)]]),
            "from_guest": Chain(
                [
                    [e.assign(mark, e.mapped(iif, "marks"))],
                    [e.match(e.concat(iif, source), "@macs", "!="), e.DROP],
                    [e.match(ether_type, "ip"), e.goto("from_guest_ip4")],
                    [e.match(ether_type, "ip6"), e.goto("from_guest_ip6")],
                    [e.match(ether_type, "arp"), e.goto("from_guest_arp")],
                    [e.DROP],
                ]
            ),
            "from_guest_arp": Chain(_arp(iif)),
            "from_guest_ip4": Chain(_ip4(iif, source)),
            "from_guest_ip6": Chain(_ip6(iif, source)),
            "to_guest": Chain(
                [
                    [e.assign(mark, e.mapped(oif, "marks"))],
                    [e.match(e.concat(oif, target), "@macs"), e.ACCEPT],
                    # A frame that is flooded because nobody knows its MAC yet is not for everybody to read.
                    [e.bits(target, "01:00:00:00:00:00", "00:00:00:00:00:00"), e.DROP],
                ]
            ),
        }
        return chains | {_neighbour_chain(port): Chain(_neighbour(port)) for port in self._guests}


def _arp(iif: e.Expression) -> list[Rule]:
    sender_mac, sender_ip = e.field("arp", "saddr ether"), e.field("arp", "saddr ip")
    return [
        [e.match(e.concat(iif, sender_mac, sender_ip), "@sources4"), e.ACCEPT],
        [e.match(e.concat(iif, sender_mac, sender_ip), "@nets4"), e.ACCEPT],
        # An address probe (RFC 5227) claims nothing.
        [e.match(sender_ip, _UNSPECIFIED), e.match(e.concat(iif, sender_mac), "@macs"), e.ACCEPT],
        [e.DROP],
    ]


def _ip4(iif: e.Expression, source: e.Expression) -> list[Rule]:
    saddr = e.field("ip", "saddr")
    client, server = e.field("udp", "sport"), e.field("udp", "dport")
    return [
        [e.match(client, 67), e.match(server, 68), e.DROP],
        [e.match(e.concat(iif, source, saddr), "@sources4"), e.ACCEPT],
        [e.match(e.concat(iif, source, saddr), "@nets4"), e.ACCEPT],
        [e.match(saddr, _UNSPECIFIED), e.match(client, 68), e.match(server, 67), e.ACCEPT],
        [e.DROP],
    ]


def _ip6(iif: e.Expression, source: e.Expression) -> list[Rule]:
    saddr, kind = e.field("ip6", "saddr"), e.field("icmpv6", "type")
    return [
        [e.match(kind, e.among(_ROUTER_ADVERTISEMENT, _REDIRECT)), e.DROP],
        [e.match(e.field("udp", "sport"), 547), e.match(e.field("udp", "dport"), 546), e.DROP],
        [e.match(kind, _NEIGHBOUR_ADVERTISEMENT), e.vmap(iif, "neighbours")],
        [e.match(e.concat(iif, source, saddr), "@sources6"), e.ACCEPT],
        [e.match(e.concat(iif, source, saddr), "@nets6"), e.ACCEPT],
        [e.match(saddr, "::"), e.match(kind, e.among(*_FROM_UNSPECIFIED)), e.ACCEPT],
        [e.DROP],
    ]


def _neighbour_chain(port: PortFilter) -> str:
    return f"neighbour_{port.device}"


@lru_cache(maxsize=16384)
def _neighbour(port: PortFilter) -> list[Rule]:
    """The target of an advertisement lies 64 bits into the ICMPv6 header; nft has no name for it before 1.0.9."""
    spans = [
        e.span(hex(int(n.network_address)), hex(int(n.broadcast_address)))
        if n.num_addresses > 1
        else hex(int(n.network_address))
        for n in ipaddress.collapse_addresses(n for _, n in _prefixes(port) if isinstance(n, ipaddress.IPv6Network))
    ]
    allowed = [[e.match(e.raw("th", 64, 128), e.among(*spans)), e.RETURN]] if spans else []
    return [*allowed, [e.DROP]]


@lru_cache(maxsize=16384)
def _prefixes(port: PortFilter) -> list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    """(MAC, network) pairs of a port, without overlap for any one MAC."""
    found = []
    for mac in port.macs:
        networks = [ip_network(cidr) for owner, cidr in port.sources if owner == mac]
        for version in (4, 6):
            boxes = [Box(0, 0, network) for network in networks if network.version == version]
            found += [(mac, box.network) for box in disjoint(boxes, limit=1 << 20)]
    return found
