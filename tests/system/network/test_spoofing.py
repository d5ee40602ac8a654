"""What a guest must not be able to send, and what it may with allowed address pairs."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

import pytest

from cumulet.agents.network import netns
from cumulet.agents.network.planning.ports import link_local
from cumulet.agents.network.state import AddressPair
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Host, Lab, Space

OPEN = (*EGRESS_ALL, rule(), rule(ethertype="IPv6"))
MAC, OTHER_MAC = "fa:16:3e:00:00:01", "fa:16:3e:aa:aa:aa"
OWN, OTHER, OWN6, OTHER6 = "10.0.0.11", "10.0.0.99", "fd00:10::11", "fd00:10::99"
BROADCAST, ALL_NODES = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"


class Bench:
    """Guest `a` sends frames of any kind; `b` listens to all that arrives."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.cloud = cloud
        self.host: Host = lab.host("h1")
        network = cloud.network()
        v4, v6 = cloud.subnet(network, "10.0.0.0/24"), cloud.subnet(network, "fd00:10::/64")
        group = cloud.group(*OPEN)
        self.a: Space = lab.space("a")
        self.b: Space = lab.space("b")
        self.port = cloud.guest(
            network, "h1", {OWN: v4, OWN6: v6}, self.a.name, mac_address=MAC, security_groups=(group.id,)
        )
        there = {"10.0.0.12": v4, "fd00:10::12": v6}
        self.port_b = cloud.guest(network, "h1", there, self.b.name, security_groups=(group.id,))
        self.host.reconcile(cloud)
        for space in (self.a, self.b):
            batch = space.netlink.batch()
            batch.link("eth0", "set", index=space.index("eth0"), state="up")
            batch.do()
        with netns.inside(self.a.name):
            self._sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._sender.bind(("eth0", 0))
        with netns.inside(self.b.name):
            self._listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self._listener.bind(("eth0", 3))
        self._listener.settimeout(0.05)
        time.sleep(0.3)

    def arrives(self, frame: bytes) -> bool:
        """Whether a frame gets to `b`, marked by a number of its own at its end."""
        marker = struct.pack(">Q", time.monotonic_ns())
        self._sender.send(frame + marker)
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            try:
                if marker in self._listener.recv(2048):
                    return True
            except TimeoutError:
                continue
        return False

    def close(self) -> None:
        self._sender.close()
        self._listener.close()


@pytest.fixture
def bench(lab: Lab, cloud: Cloud):  # type: ignore[no-untyped-def]
    bench = Bench(lab, cloud)
    yield bench
    bench.close()


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return octets(target) + octets(source) + struct.pack(">H", kind) + payload


def arp(source: str, sender_mac: str, sender_ip: str, operation: int = 2) -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + octets(sender_mac) + socket.inet_aton(sender_ip)
    return ethernet(source, BROADCAST, 0x0806, body + octets(BROADCAST) + socket.inet_aton("10.0.0.12"))


def checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(mac: str, source: str, payload: bytes, protocol: int = 17, target: str = "255.255.255.255") -> bytes:
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 1, 0, 64, protocol, 0, socket.inet_aton(source),
        socket.inet_aton(target),
    )  # fmt: skip
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return ethernet(mac, BROADCAST, 0x0800, header + payload)


def udp(source_port: int, target_port: int) -> bytes:
    # No checksum; eight bytes of payload follow, the bench's marker.
    return struct.pack(">HHHH", source_port, target_port, 16, 0)


def ip6(mac: str, source: str, message: bytes, next_header: int = 58, target: str = "ff02::1") -> bytes:
    header = struct.pack(">IHBB", 6 << 28, len(message) + 8, next_header, 255)
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return ethernet(mac, ALL_NODES, 0x86DD, header + addresses + message)


def neighbour_advertisement(target: str) -> bytes:
    return struct.pack(">BBHI", 136, 0, 0, 0xA0000000) + socket.inet_pton(socket.AF_INET6, target)


OWN_LINK_LOCAL = str(link_local(MAC))

HONEST: dict[str, Callable[[], bytes]] = {
    "ARP for its own address": lambda: arp(MAC, MAC, OWN),
    "ARP probe before it uses an address": lambda: arp(MAC, MAC, "0.0.0.0", 1),
    "IPv4 from its own address": lambda: ip4(MAC, OWN, udp(1000, 2000)),
    "DHCP request without an address": lambda: ip4(MAC, "0.0.0.0", udp(68, 67)),
    "IPv6 from its own address": lambda: ip6(MAC, OWN6, udp(1000, 2000), 17),
    "IPv6 from its link-local address": lambda: ip6(MAC, OWN_LINK_LOCAL, udp(1000, 2000), 17),
    "neighbour advertisement of its own address": lambda: ip6(MAC, OWN6, neighbour_advertisement(OWN6)),
    "solicitation while it looks for duplicates": lambda: ip6(
        MAC, "::", struct.pack(">BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, OWN6)
    ),
}
FORGED: dict[str, Callable[[], bytes]] = {
    "another's MAC": lambda: ip4(OTHER_MAC, OWN, udp(1000, 2000)),
    "ARP for another's address": lambda: arp(MAC, MAC, OTHER),
    "ARP with another's MAC inside": lambda: arp(MAC, OTHER_MAC, OWN),
    "IPv4 from another's address": lambda: ip4(MAC, OTHER, udp(1000, 2000)),
    "an answer as a DHCP server": lambda: ip4(MAC, OWN, udp(67, 68)),
    "IPv6 from another's address": lambda: ip6(MAC, OTHER6, udp(1000, 2000), 17),
    "IPv6 from another's link-local address": lambda: ip6(MAC, "fe80::1", udp(1000, 2000), 17),
    "neighbour advertisement of another's address": lambda: ip6(MAC, OWN6, neighbour_advertisement(OTHER6)),
    "an answer as a DHCPv6 server": lambda: ip6(MAC, OWN_LINK_LOCAL, udp(547, 546), 17),
    "a router advertisement": lambda: ip6(MAC, OWN_LINK_LOCAL, struct.pack(">BBHIII", 134, 0, 0, 0x40000708, 0, 0)),
    "a redirect": lambda: ip6(MAC, OWN_LINK_LOCAL, struct.pack(">BBHI", 137, 0, 0, 0) + bytes(32)),
    "a VLAN tag around it": lambda: ethernet(MAC, BROADCAST, 0x8100, b"\0\5\x08\0" + ip4(MAC, OTHER, udp(1, 2))[14:]),
    "a protocol that nobody filters": lambda: ethernet(MAC, BROADCAST, 0x88CC, b"\2\7\4" + bytes(40)),
}


def test_honest_frames_pass_and_forged_ones_do_not(bench: Bench) -> None:
    dropped = [name for name, frame in HONEST.items() if not bench.arrives(frame())]
    passed = [name for name, frame in FORGED.items() if bench.arrives(frame())]
    assert (dropped, passed) == ([], [])


def test_without_port_security_every_one_of_them_passes(bench: Bench) -> None:
    """So none of the forged frames above was lost for a reason of its own."""
    for port in (bench.port, bench.port_b):
        bench.cloud.change(port, port_security_enabled=False, security_groups=())
    bench.host.reconcile(bench.cloud, verify=False)
    assert [name for name, frame in (HONEST | FORGED).items() if not bench.arrives(frame())] == []


def test_an_allowed_address_pair_may_be_used(bench: Bench) -> None:
    pairs = (AddressPair("10.0.0.96/28"), AddressPair("fd00:10::/64"), AddressPair(OTHER, OTHER_MAC))
    bench.cloud.change(bench.port, allowed_address_pairs=pairs)
    bench.host.reconcile(bench.cloud, verify=False)
    assert bench.arrives(arp(MAC, MAC, OTHER))
    assert bench.arrives(ip4(MAC, OTHER, udp(1000, 2000)))
    assert bench.arrives(ip6(MAC, OTHER6, neighbour_advertisement(OTHER6)))
    assert bench.arrives(ip4(OTHER_MAC, OTHER, udp(1000, 2000)))
    assert not bench.arrives(ip4(OTHER_MAC, OWN, udp(1000, 2000))), "the pair is of that MAC and that address"
    assert not bench.arrives(ip4(MAC, "10.0.0.112", udp(1000, 2000))), "the prefix ends before"


def test_a_guest_does_not_reach_the_host_and_does_not_read_others_frames(bench: Bench) -> None:
    """The bridge has no address, but Linux would answer for any address of the host on it."""
    bench.host.space.address("198.51.100.1/32", "lo")
    bench.a.address("10.0.0.11/24")
    bench.a.run("ip", "route", "add", "198.51.100.1", "dev", "eth0")
    assert not bench.a.pings("198.51.100.1")
    bridge = bench.host.space.run("ip", "-j", "link", "show", "type", "bridge").stdout
    mac = bridge.split('"address":"')[1][:17]
    bench.a.run("ip", "neigh", "replace", "198.51.100.1", "lladdr", mac, "dev", "eth0")
    assert not bench.a.pings("198.51.100.1")
    stranger = "fa:16:3e:bb:bb:bb"  # nobody's, so the bridge floods it
    assert not bench.arrives(octets(stranger) + ip4(MAC, OWN, udp(1, 2))[6:])
