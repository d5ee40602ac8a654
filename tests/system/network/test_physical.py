"""Provider networks on an interface of the host: flat, with the host's own addresses on it, and VLAN."""

from __future__ import annotations

import pytest

from cumulet.agents.network.netlink import Netlink
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Lab, RunningPing


def test_a_flat_network_on_the_hosts_only_interface(lab: Lab, cloud: Cloud) -> None:
    """The host's addresses and default route move to the bridge and come back, and it never loses its network."""
    host = lab.host("h1", physical_interface_mappings={"external": "ext0"})
    outside = lab.outside(host)
    host.space.address("172.24.4.5/24", "ext0", gateway="172.24.4.1")
    host.space.address("fd00:24::5/64", "ext0")
    host.space.run("ip", "route", "add", "192.0.2.0/24", "via", "172.24.4.9", "dev", "ext0", "metric", "50")
    outside.address("fd00:24::1/64")
    before = _network_of(host.space.netlink, "ext0")
    ping = RunningPing(outside, "172.24.4.5")

    network = cloud.network("flat", physical_network="external")
    subnet = cloud.subnet(network, "172.24.4.0/24", gateway_ip="172.24.4.1")
    group = cloud.group(*EGRESS_ALL, rule(protocol="icmp"))
    guest = lab.space("a")
    cloud.guest(network, "h1", {"172.24.4.11": subnet}, guest.name, security_groups=(group.id,))
    host.reconcile(cloud)
    bridge = "brq" + network.id[:11]
    assert _network_of(host.space.netlink, bridge) == before
    assert host.agent.reconcile().repaired == ()
    guest.address("172.24.4.11/24", gateway="172.24.4.1")

    guest.ping_until("172.24.4.1")
    outside.ping_until("172.24.4.11")
    guest.ping_until("172.24.4.5")  # the host itself, which has an address on this network
    host.space.ping_until("172.24.4.11")
    host.space.ping_until("172.24.4.1")
    outside.ping_until("fd00:24::5")

    host.agent.purge()
    assert _network_of(host.space.netlink, "ext0") == before
    assert set(host.space.netlink.links()) == {"lo", "ext0"}
    sent, lost = ping.losses()
    assert lost <= 1, f"the host lost {lost} of {sent} packets while its interface moved"


def test_a_mapped_bridge_is_used_and_left_alone(lab: Lab, cloud: Cloud) -> None:
    host = lab.host("h1", bridge_mappings={"external": "br-ex"})
    outside = lab.outside(host)
    host.space.run("ip", "link", "add", "br-ex", "type", "bridge")
    host.space.run("ip", "link", "set", "ext0", "master", "br-ex")
    host.space.run("ip", "link", "set", "br-ex", "up")
    network = cloud.network("flat", physical_network="external")
    subnet = cloud.subnet(network, "172.24.4.0/24")
    group = cloud.group(*EGRESS_ALL)
    guest = lab.space("a")
    cloud.guest(network, "h1", {"172.24.4.11": subnet}, guest.name, security_groups=(group.id,))
    host.reconcile(cloud)
    guest.address("172.24.4.11/24")
    guest.ping_until("172.24.4.1")
    assert not outside.pings("172.24.4.11")
    host.agent.purge()
    links = host.space.netlink.links()
    assert set(links) == {"lo", "ext0", "br-ex"}
    assert links["ext0"].master == links["br-ex"].index


def test_an_unmapped_physical_network_is_reported_and_nothing_else_suffers(lab: Lab, cloud: Cloud) -> None:
    host = lab.host("h1")
    flat = cloud.network("flat", physical_network="nowhere")
    local = cloud.network()
    a, b = lab.space("a"), lab.space("b")
    bad = cloud.guest(flat, "h1", {"10.9.0.1": cloud.subnet(flat, "10.9.0.0/24")}, a.name)
    good = cloud.guest(local, "h1", {"10.0.0.1": cloud.subnet(local, "10.0.0.0/24")}, b.name)
    report = host.reconcile(cloud, errors=True)
    assert report.errors[f"networks/{flat.id}"] == "physical network nowhere has no interface on this host"
    assert report.ports == {bad.id: "ERROR", good.id: "ACTIVE"}


def test_a_vlan_network(lab: Lab, cloud: Cloud) -> None:
    host = lab.host("h1", physical_interface_mappings={"physnet": "ext0"})
    outside = lab.outside(host)
    probe = outside.run(
        "ip", "link", "add", "link", "eth0", "name", "eth0.100", "type", "vlan", "id", "100", check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"this kernel makes no VLAN devices: {probe.stderr.strip()}")
    outside.address("10.7.0.1/24", "eth0.100")
    network = cloud.network("vlan", physical_network="physnet", segmentation_id=100)
    subnet = cloud.subnet(network, "10.7.0.0/24")
    group = cloud.group(*EGRESS_ALL)
    guest = lab.space("a")
    cloud.guest(network, "h1", {"10.7.0.11": subnet}, guest.name, security_groups=(group.id,))
    host.reconcile(cloud)
    guest.address("10.7.0.11/24")
    guest.ping_until("10.7.0.1")
    assert host.agent.reconcile().repaired == ()


def _network_of(netlink: Netlink, device: str) -> tuple[set[str], set[tuple[str, str | None, int]], str]:
    """Addresses, routes and MAC that a device has, whichever it is."""
    link = netlink.link(device)
    assert link is not None
    addresses = {a.cidr for a in netlink.addresses() if a.index == link.index and a.scope == 0}
    routes = {
        (r.destination, r.gateway, r.priority)
        for r in netlink.routes()
        if r.index == link.index and not r.destination.startswith("fe80")
    }
    return addresses, routes, link.mac
