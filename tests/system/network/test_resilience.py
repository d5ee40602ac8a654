"""What somebody breaks by hand comes back within ten seconds, what is right is not disturbed, and a killed agent
finds its own work again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from cumulet.agents.network import files, netns
from cumulet.agents.network.deltas import encode
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Host, Lab, RunningPing, Space, wait_for

REPAIR_SECONDS = 10


class Site:
    """Guests `a` and `b` on two networks behind a router with a floating IP, DHCP on the first; one running agent."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.lab, self.cloud = lab, cloud
        self.host: Host = lab.host("h1", physical_interface_mappings={"physnet": "ext0"})
        self.outside = lab.outside(self.host)
        external = cloud.network("flat", physical_network="physnet")
        external_subnet = cloud.subnet(external, "172.24.4.0/24", gateway_ip="172.24.4.1")
        self.group = cloud.group(*EGRESS_ALL, rule(protocol="icmp"))
        self.net1, self.net2 = cloud.network(), cloud.network()
        self.v4_1 = cloud.subnet(self.net1, "10.1.0.0/24", gateway_ip="10.1.0.1")
        v4_2 = cloud.subnet(self.net2, "10.2.0.0/24", gateway_ip="10.2.0.1")
        self.a, self.b = lab.space("a"), lab.space("b")
        groups = (self.group.id,)
        self.port_a = cloud.guest(self.net1, "h1", {"10.1.0.11": self.v4_1}, self.a.name, security_groups=groups)
        cloud.guest(self.net2, "h1", {"10.2.0.12": v4_2}, self.b.name, security_groups=groups)
        cloud.dhcp(self.net1, "h1", {"10.1.0.2": self.v4_1})
        self.router = cloud.router(
            "h1",
            [(self.net1, {"10.1.0.1": self.v4_1}), (self.net2, {"10.2.0.1": v4_2})],
            (external, {"172.24.4.2": external_subnet}),
        )
        cloud.floating_ip(self.router, "172.24.4.10", "10.1.0.11")
        self.write()
        self.process = self.host.process()
        wait_for(lambda: self.a.netlink.link("eth0"), 10, "the guest's device")
        self.a.address("10.1.0.11/24", gateway="10.1.0.1")
        wait_for(lambda: self.b.netlink.link("eth0"), 10, "the guest's device")
        self.b.address("10.2.0.12/24", gateway="10.2.0.1")
        self.a.ping_until("10.2.0.12", 10)
        self.outside.ping_until("172.24.4.10", 10)
        wait_for((self.host.config.state_dir / "report.json").exists, 10, "the first report")

    def write(self) -> None:
        """The wanted state, where the agent's process finds it."""
        self.host.config.state_dir.mkdir(parents=True, exist_ok=True)
        files.write(self.host.config.state_dir / "wanted.json", encode(self.cloud.state("h1")).decode())

    def report(self) -> dict:  # type: ignore[type-arg]
        return json.loads((self.host.config.state_dir / "report.json").read_text())

    @property
    def tap(self) -> str:
        return "tap" + self.port_a.id[:11]

    @property
    def bridge(self) -> str:
        return "brq" + self.net1.id[:11]

    def inside(self, name: str) -> Space:
        space = Space.__new__(Space)
        space.name = name
        return space


@pytest.fixture
def site(lab: Lab, cloud: Cloud) -> Iterator[Site]:
    yield Site(lab, cloud)


def test_a_killed_agent_comes_back_without_a_lost_packet(site: Site) -> None:
    between, from_outside = RunningPing(site.a, "10.2.0.12"), RunningPing(site.outside, "172.24.4.10")
    for _ in range(2):
        site.process.kill()
        site.process.wait()
        time.sleep(0.5)
        site.process = site.host.process()
        time.sleep(3)
    assert between.losses()[1] == 0
    assert from_outside.losses()[1] == 0
    assert site.report()["errors"] == {}


def test_what_was_wanted_while_the_agent_was_dead_is_done_when_it_is_back(site: Site) -> None:
    """A rule that went, and a port that went: also the established connection ends."""
    ping = RunningPing(site.outside, "172.24.4.10")
    site.process.kill()
    site.process.wait()
    site.cloud.change(site.group, rules=EGRESS_ALL)
    site.write()
    site.process = site.host.process()
    wait_for(lambda: not site.outside.pings("172.24.4.10", seconds=0.3), 5, "no ping is answered")
    time.sleep(0.5)
    assert ping.losses()[1] >= 5


def test_a_flushed_ruleset_is_back_within_ten_seconds_and_nobody_loses_a_packet(site: Site) -> None:
    c = site.lab.space("c")
    site.cloud.guest(site.net1, "h1", {"10.1.0.13": site.v4_1}, c.name, security_groups=())
    site.write()
    site.process.send_signal(1)
    wait_for(lambda: c.netlink.link("eth0"), 5, "the new guest's device")
    c.address("10.1.0.13/24")
    assert not site.a.pings("10.1.0.13", seconds=0.5), "a port without groups lets nothing in"
    ping = RunningPing(site.a, "10.2.0.12")
    flushed = time.monotonic()
    site.host.space.run("nft", "flush", "ruleset")
    wait_for(lambda: not site.a.pings("10.1.0.13", seconds=0.2), REPAIR_SECONDS, "the filter is back")
    wait_for(lambda: site.host.space.run("nft", "list", "tables").stdout.count("cumulet") >= 2, 1, "both tables")
    took = time.monotonic() - flushed
    assert took < REPAIR_SECONDS
    assert ping.losses()[1] == 0


@pytest.mark.parametrize(
    "damage",
    [
        "nft delete table bridge {table}",
        "nft flush chain inet {table} to_port",
        "nft add chain inet {table} stray { type filter hook forward priority -1 ; }",
        "ip link set {tap} nomaster",
        "ip link set {tap} down",
        "ip link set {bridge} down",
        "ip link set {tap} mtu 1400",
        "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
    ],
)
def test_damage_on_the_host_is_mended(site: Site, damage: str) -> None:
    table = site.host.config.table
    names = {"table": table, "tap": site.tap, "bridge": site.bridge}
    site.host.space.run(*(word.format(**names) if word not in "{}" else word for word in damage.split()))
    wait_for(lambda: _whole(site), REPAIR_SECONDS, f"repaired: {damage}")
    site.a.ping_until("10.2.0.12")


def _whole(site: Site) -> bool:
    """Everything that the damages above may have taken away is there."""
    rules = site.host.space.run("nft", "list", "ruleset").stdout
    link = site.host.space.netlink.link(site.tap)
    bridge = site.host.space.netlink.link(site.bridge)
    called = site.host.space.run("sysctl", "-n", "net.bridge.bridge-nf-call-iptables").stdout.strip()
    return (
        "from_guest_arp" in rules
        and "vmap @ingress" in rules
        and "stray" not in rules
        and link is not None
        and bridge is not None
        and (link.up, link.mtu, link.master) == (True, 1500, bridge.index)
        and bridge.up
        and called == "1"
    )


@pytest.mark.parametrize(
    "damage",
    [
        ("router", "nft flush ruleset"),
        ("router", "ip addr flush dev {qr}"),
        ("router", "ip route flush table main"),
        ("router", "ip link set {qr} down"),
        ("router", "ip link del {qr}"),
        ("router", "sysctl -qw net.ipv4.ip_forward=0"),
        ("host", "ip link del {bridge}"),
        ("router", "delete the namespace"),
    ],
)
def test_damage_to_a_router_is_mended(site: Site, damage: tuple[str, str]) -> None:
    where, what = damage
    namespace = site.host.qrouter(site.router.id)
    qr = "qr-" + site.router.interfaces[0][:11]
    if what == "delete the namespace":
        netns.delete(namespace)
    else:
        space = site.inside(namespace) if where == "router" else site.host.space
        space.run(*what.format(qr=qr, bridge=site.bridge).split())
    if what == "delete the namespace":
        # Its processes keep the nameless rest going; what counts is the new one.
        wait_for(lambda: netns.exists(namespace), REPAIR_SECONDS, "the namespace is there again")
    wait_for(lambda: site.outside.pings("172.24.4.10", seconds=0.2), REPAIR_SECONDS, what)
    wait_for(lambda: site.a.pings("10.2.0.12", seconds=0.2), REPAIR_SECONDS, what)


def test_what_is_not_the_agents_stays(site: Site) -> None:
    """Devices, tables and namespaces with names like ours, but not of our making."""
    host = site.host.space
    host.run("ip", "link", "add", "brq01234567-89", "type", "bridge")
    host.run("ip", "tuntap", "add", "dev", "tap01234567-89", "mode", "tap")
    host.run("nft", "add", "table", "inet", "operators")
    stranger = f"{site.host.config.prefix}qrouter-0c0ffee0-0000-4000-8000-000000000000"
    netns.create(stranger)
    try:
        site.process.send_signal(15)
        site.process.wait(10)
        site.host.agent.load()
        site.host.agent.reconcile()
        site.host.agent.purge()
        assert {"brq01234567-89", "tap01234567-89", "ext0", "lo"} == set(host.netlink.links())
        assert host.run("nft", "list", "tables").stdout.strip() == "table inet operators"
        assert netns.names(site.host.config.prefix) == [stranger]
    finally:
        netns.delete(stranger)


def test_a_hypervisors_tap_is_taken_up_at_once(site: Site) -> None:
    """The agent waits for it by name; nobody has to tell it."""
    port = site.cloud.port(site.net1, "h1", {"10.1.0.50": site.v4_1}, security_groups=(site.group.id,))
    site.write()
    site.process.send_signal(1)
    wait_for(lambda: site.report()["ports"].get(port.id) == "DOWN", 5, "the agent waits for the device")
    tap = "tap" + port.id[:11]
    time.sleep(0.2)
    site.host.space.run("ip", "tuntap", "add", "dev", tap, "mode", "tap")
    made = time.monotonic()
    wait_for(lambda: (link := site.host.space.netlink.link(tap)) and link.master and link.up, 2, "plugged")
    assert time.monotonic() - made < 1
    wait_for(lambda: site.report()["ports"][port.id] == "ACTIVE", 2, "reported")
    site.cloud.remove(port)
    site.write()
    site.process.send_signal(1)
    wait_for(lambda: (link := site.host.space.netlink.link(tap)) and not link.master, 5, "unplugged, not deleted")


def test_an_agent_that_is_started_in_its_hosts_namespace(site: Site) -> None:
    """As on a real host, where no namespace is named in its settings."""
    site.process.send_signal(15)
    site.process.wait(10)
    site.host.space.run("ip", "link", "del", site.bridge)
    site.process = site.host.process(inside=True)
    site.outside.ping_until("172.24.4.10", 10)
    wait_for(lambda: site.report()["errors"] == {}, 5, "nothing is wrong")
