"""A router on two hosts: one is active, the other takes over within three seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cumulet.agents.network import netns
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Host, Lab, Space, wait_for


class Pair:
    """Router with its HA network over VXLAN; guest `g` on a third host, so that both routers are equally far."""

    def __init__(self, lab: Lab) -> None:
        self.cloud = cloud = Cloud(h1="192.168.77.1", h2="192.168.77.2", h3="192.168.77.3")
        self.hosts: dict[str, Host] = {
            f"h{n}": lab.host(f"h{n}", local_ip=f"192.168.77.{n}", physical_interface_mappings={"physnet": "ext0"})
            for n in (1, 2, 3)
        }
        fabric = lab.outside(*self.hosts.values(), device="ul0", address="192.168.77.254/24")
        self.fabric = fabric
        for number, host in enumerate(self.hosts.values(), start=1):
            host.space.address(f"192.168.77.{number}/24", "ul0")
        self.world: Space = lab.space("world")
        batch = self.world.netlink.batch()
        batch.link("eth0", "add", ifname="eth0", kind="bridge", br_stp_state=0, br_forward_delay=0, state="up")
        batch.do()
        for number, host in enumerate(self.hosts.values()):
            lab.cable(host.space, "ext0", self.world, f"p{number}")
            batch = self.world.netlink.batch()
            batch.link("p", "set", index=self.world.index(f"p{number}"), master=self.world.index("eth0"))
            batch.do()
        self.world.address("172.24.4.1/24")
        both = ("h1", "h2")
        external = cloud.network("flat", physical_network="physnet")
        external_subnet = cloud.subnet(external, "172.24.4.0/24", gateway_ip="172.24.4.1")
        net = cloud.network("vxlan", segmentation_id=1001, mtu=1450)
        v4 = cloud.subnet(net, "10.1.0.0/24", gateway_ip="10.1.0.1")
        v6 = cloud.subnet(net, "fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
        ha_net = cloud.network("vxlan", segmentation_id=1002, mtu=1450)
        ha_subnet = cloud.subnet(ha_net, "169.254.192.0/18")
        self.router = cloud.router(
            both, [(net, {"10.1.0.1": v4, "fd00:1::1": v6})], (external, {"172.24.4.2": external_subnet})
        )
        cloud.high_availability(self.router, ha_net, ha_subnet, {"h1": "169.254.192.1", "h2": "169.254.192.2"})
        group = cloud.group(*EGRESS_ALL, rule(), rule(ethertype="IPv6"))
        self.guest = lab.space("g")
        cloud.guest(net, "h3", {"10.1.0.11": v4}, self.guest.name, security_groups=(group.id,))
        cloud.floating_ip(self.router, "172.24.4.10", "10.1.0.11")
        self.reconcile()
        self.guest.address("10.1.0.11/24", gateway="10.1.0.1")

    def reconcile(self) -> None:
        for host in self.hosts.values():
            host.reconcile(self.cloud)

    def states(self) -> dict[str, str]:
        return {
            name: state
            for name, host in self.hosts.items()
            for state in host.agent._drivers.routers.ha_states().values()
        }

    def active(self) -> str | None:
        found = [name for name, state in self.states().items() if state == "active"]
        return found[0] if len(found) == 1 else None


@pytest.fixture
def pair(lab: Lab) -> Pair:
    return Pair(lab)


def test_one_is_active_and_the_other_takes_over_within_three_seconds(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    active = wait_for(pair.active, 10, "one of the two is active")
    standby = "h2" if active == "h1" else "h1"
    pair.guest.ping_until("172.24.4.1")
    pair.world.ping_until("172.24.4.10")

    # The active host loses its network, as in a power failure.
    failed = time.monotonic()
    for device in ("ul0", "ext0"):
        pair.hosts[active].space.run("ip", "link", "set", device, "down")
    wait_for(lambda: pair.guest.pings("172.24.4.1", seconds=0.1), 10, "the guest gets out again")
    inside = time.monotonic() - failed
    wait_for(lambda: pair.world.pings("172.24.4.10", seconds=0.1), 10, "the floating IP answers again")
    outside = time.monotonic() - failed
    record_property("failover seconds, from inside and by floating IP", f"{inside:.2f} {outside:.2f}")
    assert inside < 3
    assert outside < 3
    assert pair.states()[standby] == "active"


def test_a_standby_has_no_address_and_is_not_heard(pair: Pair) -> None:
    active = wait_for(pair.active, 10, "one of the two is active")
    standby = pair.hosts["h2" if active == "h1" else "h1"]
    namespace = standby.qrouter(pair.router.id)
    pair.reconcile()
    with netns.inside(namespace):
        shown = standby.space.__class__.run(_At(namespace), "ip", "-br", "addr").stdout  # type: ignore[arg-type]
    lines = {line.split("@")[0]: line for line in shown.splitlines()}
    for name, line in lines.items():
        if name.startswith(("qr-", "qg-")):
            assert "10.1.0.1" not in line and "172.24.4." not in line and "fe80" not in line, shown
    pair.guest.ping_until("172.24.4.1")


def test_keepalived_killed_on_the_standby_does_not_disturb_the_active(pair: Pair) -> None:
    active = wait_for(pair.active, 10, "one of the two is active")
    standby = pair.hosts["h2" if active == "h1" else "h1"]
    directory = standby.config.state_dir / "routers" / pair.router.id
    before = (directory / "keepalived.pid").read_text()
    standby.space.run("kill", "-9", before.strip())
    wait_for(lambda: standby.agent.reconcile().repaired, 5, "the agent sees it")
    assert (directory / "keepalived.pid").read_text() != before
    time.sleep(3)
    assert pair.active() == active


class _At:
    def __init__(self, name: str) -> None:
        self.name = name
