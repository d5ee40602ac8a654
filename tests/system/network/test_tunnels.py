"""VXLAN between two hosts, each with an agent of its own."""

from __future__ import annotations

import pytest

from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id, rule
from tests.system.network.lab import Host, Lab, RunningPing, Space


class TwoHosts:
    """Hosts h1 and h2 with one VXLAN network across them: guest `a` (10.1.0.11) on h1, `b` (10.1.0.12) on h2."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.lab, self.cloud = lab, cloud
        self.h1: Host = lab.host("h1", local_ip="192.168.77.1")
        self.h2: Host = lab.host("h2", local_ip="192.168.77.2")
        lab.cable(self.h1.space, "ul0", self.h2.space, "ul0")
        self.h1.space.address("192.168.77.1/24", "ul0")
        self.h2.space.address("192.168.77.2/24", "ul0")
        self.network = cloud.network("vxlan", segmentation_id=1001, mtu=1450)
        self.subnet = cloud.subnet(self.network, "10.1.0.0/24", gateway_ip="10.1.0.1")
        self.subnet6 = cloud.subnet(self.network, "fd00:1::/64")
        self.group = cloud.group(*EGRESS_ALL, rule(protocol="icmp"), rule(protocol="icmpv6", ethertype="IPv6"))
        self.a, self.b = lab.space("a"), lab.space("b")
        self.port_a = self.guest("h1", "11", self.a)
        self.port_b = self.guest("h2", "12", self.b)
        self.reconcile()
        for number, space in (("11", self.a), ("12", self.b)):
            space.address(f"10.1.0.{number}/24")
            space.address(f"fd00:1::{number}/64")

    def guest(self, host: str, number: str, space: Space):  # type: ignore[no-untyped-def]
        addresses = {f"10.1.0.{number}": self.subnet, f"fd00:1::{number}": self.subnet6}
        return self.cloud.guest(self.network, host, addresses, space.name, security_groups=(self.group.id,))

    def reconcile(self, *, verify: bool = False) -> None:
        for host in (self.h1, self.h2):
            host.reconcile(self.cloud, verify=verify)


@pytest.fixture
def two(lab: Lab, cloud: Cloud) -> TwoHosts:
    return TwoHosts(lab, cloud)


def test_guests_on_two_hosts_reach_each_other(two: TwoHosts) -> None:
    two.a.ping_until("10.1.0.12")
    two.a.ping_until("fd00:1::12")
    two.a.run("ping", "-c", "1", "-M", "do", "-s", "1422", "10.1.0.12")


def test_only_programmed_end_points_get_anything(two: TwoHosts) -> None:
    """The tables have the other host's ports and nothing is learnt from what guests send."""
    observed = two.h1.agent._drivers.switch.observe()["tunnels"]
    assert observed == {"vxlan-1001": [("00:00:00:00:00:00", "192.168.77.2"), (two.port_b.mac_address, "192.168.77.2")]}
    two.a.ping_until("10.1.0.12")
    assert two.h1.agent._drivers.switch.observe()["tunnels"] == observed
    two.cloud.remove(two.port_b)
    two.reconcile()
    assert two.h1.agent._drivers.switch.observe()["tunnels"] == {"vxlan-1001": []}


def test_dhcp_and_a_router_on_one_host_serve_guests_on_the_other(two: TwoHosts) -> None:
    other = two.cloud.network("vxlan", segmentation_id=1002, mtu=1450)
    subnet = two.cloud.subnet(other, "10.2.0.0/24", gateway_ip="10.2.0.1")
    two.cloud.router("h1", [(two.network, {"10.1.0.1": two.subnet}), (other, {"10.2.0.1": subnet})])
    two.cloud.dhcp(two.network, "h1", {"10.1.0.2": two.subnet})
    c = two.lab.space("c")
    two.cloud.guest(other, "h2", {"10.2.0.13": subnet}, c.name, security_groups=(two.group.id,))
    two.reconcile()
    c.address("10.2.0.13/24", gateway="10.2.0.1")
    two.b.address("10.1.0.12/24", gateway="10.1.0.1")
    two.b.ping_until("10.2.0.13")
    script = two.lab.directory / "udhcpc.sh"
    script.write_text('#!/bin/sh\n[ "$1" != bound ] || echo "leased $ip"\n')
    script.chmod(0o755)
    got = two.b.run("udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-s", str(script)).stdout
    assert "leased 10.1.0.12" in got


def test_a_remote_group_spans_hosts(two: TwoHosts) -> None:
    friends = new_id()
    two.cloud.members(friends)
    two.cloud.change(two.group, rules=(*EGRESS_ALL, rule(remote_group_id=friends)))
    two.reconcile()
    assert not two.a.pings("10.1.0.12")
    two.cloud.members(friends, "10.1.0.11", "10.1.0.12")
    two.reconcile()
    two.a.ping_until("10.1.0.12")


def test_a_tunnel_that_was_altered_is_mended_without_disturbing_the_rest(two: TwoHosts) -> None:
    two.a.ping_until("10.1.0.12")
    host = two.h1.space
    for damage in (
        ("bridge", "fdb", "del", two.port_b.mac_address, "dev", "vxlan-1001", "dst", "192.168.77.2"),
        ("ip", "link", "set", "vxlan-1001", "nomaster"),
        ("ip", "link", "del", "vxlan-1001"),
        ("ip", "link", "set", "vxlan-1001", "down"),
    ):
        host.run(*damage)
        assert "vxlan-1001" in two.h1.agent.reconcile().repaired, damage
        two.a.ping_until("10.1.0.12")
    ping = RunningPing(two.a, "10.1.0.12")
    assert two.h1.agent.reconcile().repaired == ()
    assert ping.losses()[1] == 0
