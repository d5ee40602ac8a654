"""Routers: between networks, to the outside, floating IPs, port forwarding, static routes, IPv6, metering."""

from __future__ import annotations

import re
import socket
import threading
from typing import Any

import pytest

from cumulet.agents.network import netns
from cumulet.agents.network.state import MeteringLabel, MeteringRule, PortForwarding, Qos, Route
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id, rule
from tests.system.network.lab import Host, Lab, RunningPing, Space, wait_for

OPEN = (*EGRESS_ALL, rule(), rule(ethertype="IPv6"))


class Site:
    """Guests `a` (10.1.0.11) and `b` (10.2.0.12) on two networks behind one router; outside it is 172.24.4.0/24."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.lab, self.cloud = lab, cloud
        self.host: Host = lab.host("h1", physical_interface_mappings={"physnet": "ext0"})
        self.outside = lab.outside(self.host)
        self.external = cloud.network("flat", physical_network="physnet")
        self.external_subnet = cloud.subnet(self.external, "172.24.4.0/24", gateway_ip="172.24.4.1")
        self.group = cloud.group(*OPEN)
        self.net1, self.net2 = cloud.network(), cloud.network()
        self.v4_1 = cloud.subnet(self.net1, "10.1.0.0/24", gateway_ip="10.1.0.1")
        self.v4_2 = cloud.subnet(self.net2, "10.2.0.0/24", gateway_ip="10.2.0.1")
        slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        self.v6_1 = cloud.subnet(self.net1, "fd00:1::/64", gateway_ip="fd00:1::1", **slaac)
        self.v6_2 = cloud.subnet(self.net2, "fd00:2::/64", gateway_ip="fd00:2::1")
        self.a, self.b = lab.space("a"), lab.space("b")
        self.port_a = self.guest(self.net1, {"10.1.0.11": self.v4_1, "fd00:1::11": self.v6_1}, self.a)
        self.port_b = self.guest(self.net2, {"10.2.0.12": self.v4_2, "fd00:2::12": self.v6_2}, self.b)
        self.router = cloud.router(
            "h1",
            [
                (self.net1, {"10.1.0.1": self.v4_1, "fd00:1::1": self.v6_1}),
                (self.net2, {"10.2.0.1": self.v4_2, "fd00:2::1": self.v6_2}),
            ],
            (self.external, {"172.24.4.2": self.external_subnet}),
        )
        self.host.reconcile(cloud)
        self.a.address("10.1.0.11/24", gateway="10.1.0.1")
        self.a.address("fd00:1::11/64", gateway="fd00:1::1")
        self.b.address("10.2.0.12/24", gateway="10.2.0.1")
        self.b.address("fd00:2::12/64", gateway="fd00:2::1")

    def guest(self, network, addresses, space: Space):  # type: ignore[no-untyped-def]
        return self.cloud.guest(network, "h1", addresses, space.name, security_groups=(self.group.id,))

    def set_router(self, **attributes) -> None:  # type: ignore[no-untyped-def]
        self.router = self.cloud.change(self.cloud.routers[self.router.id], **attributes)
        self.host.reconcile(self.cloud, verify=False)


@pytest.fixture
def site(lab: Lab, cloud: Cloud) -> Site:
    return Site(lab, cloud)


def conversation(server: Space, at: tuple[str, int], client: Space, to: tuple[str, int]) -> tuple[str, str]:
    """A TCP connection through whatever is between: (whom the server sees, whom the client sees)."""
    seen: list[str] = []
    with netns.inside(server.name), socket.create_server(at) as listening:
        listening.settimeout(3)

        def accept() -> None:
            connection, address = listening.accept()
            seen.append(address[0])
            connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            with netns.inside(client.name), socket.create_connection(to, timeout=3) as connection:
                peer = connection.getpeername()[0]
        finally:
            thread.join(5)
    return seen[0], peer


def test_guests_of_two_networks_reach_each_other(site: Site) -> None:
    site.a.ping_until("10.2.0.12")
    site.a.ping_until("fd00:2::12")
    assert site.b.pings("10.1.0.11")


def test_a_guest_goes_out_with_the_routers_address_unless_snat_is_off(site: Site) -> None:
    site.a.ping_until("172.24.4.1")
    assert conversation(site.outside, ("172.24.4.1", 80), site.a, ("172.24.4.1", 80))[0] == "172.24.4.2"
    site.set_router(enable_snat=False)
    assert not site.a.pings("172.24.4.1"), "without translation the outside knows no way back"


def test_a_floating_ip(site: Site) -> None:
    assert not site.outside.pings("172.24.4.10")
    site.cloud.floating_ip(site.router, "172.24.4.10", "10.1.0.11")
    site.host.reconcile(site.cloud, verify=False)
    site.outside.ping_until("172.24.4.10")
    seen, _ = conversation(site.a, ("10.1.0.11", 22), site.outside, ("172.24.4.10", 22))
    assert seen == "172.24.4.1", "a guest must see who really calls"
    assert conversation(site.outside, ("172.24.4.1", 80), site.a, ("172.24.4.1", 80))[0] == "172.24.4.10"

    # By its floating IP also from inside, from the same network and another one.
    other = site.lab.space("c")
    site.guest(site.net1, {"10.1.0.13": site.v4_1}, other)
    site.host.reconcile(site.cloud, verify=False)
    other.address("10.1.0.13/24", gateway="10.1.0.1")
    assert conversation(site.a, ("10.1.0.11", 22), other, ("172.24.4.10", 22))[1] == "172.24.4.10"
    assert conversation(site.a, ("10.1.0.11", 22), site.b, ("172.24.4.10", 22))[1] == "172.24.4.10"


def test_a_floating_ip_that_goes_ends_its_connections_and_others_stay(site: Site) -> None:
    site.cloud.floating_ip(site.router, "172.24.4.10", "10.1.0.11")
    site.cloud.floating_ip(site.router, "172.24.4.11", "10.2.0.12")
    site.host.reconcile(site.cloud, verify=False)
    site.outside.ping_until("172.24.4.10")
    site.outside.ping_until("172.24.4.11")
    ends, stays = RunningPing(site.outside, "172.24.4.10"), RunningPing(site.outside, "172.24.4.11")
    kept = [f for f in site.cloud.routers[site.router.id].floating_ips if f.floating_ip_address == "172.24.4.11"]
    site.set_router(floating_ips=tuple(kept))
    assert stays.losses()[1] == 0
    assert ends.losses()[1] >= 5


def test_a_floating_ip_that_moves_is_found_at_once(site: Site) -> None:
    """From one guest to another on another router, under the eyes of a neighbour that knows the old MAC."""
    second = site.cloud.router(
        "h1", [(site.net2, {"10.2.0.254": site.v4_2})], (site.external, {"172.24.4.3": site.external_subnet})
    )
    site.cloud.floating_ip(site.router, "172.24.4.10", "10.1.0.11")
    site.host.reconcile(site.cloud)
    site.outside.ping_until("172.24.4.10")
    site.cloud.change(site.cloud.routers[site.router.id], floating_ips=())
    site.cloud.floating_ip(second, "172.24.4.10", "10.2.0.12")
    site.b.run("ip", "route", "replace", "default", "via", "10.2.0.254")
    site.host.reconcile(site.cloud, verify=False)
    assert site.outside.pings("172.24.4.10")


def test_port_forwarding(site: Site) -> None:

    def forwarding(**attributes: Any) -> PortForwarding:
        return PortForwarding(id=new_id(), floating_ip_address="172.24.4.20", protocol="tcp", **attributes)

    site.set_router(
        port_forwardings=(
            forwarding(external_port=2222, internal_ip_address="10.1.0.11", internal_port=22),
            forwarding(
                external_port=8000, external_port_end=8009, internal_ip_address="10.2.0.12", internal_port=80,
                internal_port_end=89,
            ),
        )
    )  # fmt: skip
    assert conversation(site.a, ("10.1.0.11", 22), site.outside, ("172.24.4.20", 2222))[0] == "172.24.4.1"
    assert conversation(site.b, ("10.2.0.12", 85), site.outside, ("172.24.4.20", 8005))[0] == "172.24.4.1"
    site.set_router(port_forwardings=())
    assert not site.outside.pings("172.24.4.20")


def test_static_routes_come_and_go(site: Site) -> None:
    site.b.address("203.0.113.1/24", "lo")
    site.cloud.change(site.port_b, port_security_enabled=False, security_groups=())
    site.set_router(routes=(Route("203.0.113.0/24", "10.2.0.12"),))
    site.a.ping_until("203.0.113.1")
    site.set_router(routes=())
    assert not site.a.pings("203.0.113.1")


def test_an_ipv6_guest_configures_itself_from_router_advertisements(site: Site) -> None:
    guest = site.lab.space("c")
    port = site.guest(site.net1, {"fd00:1::f816:3eff:fe00:9": site.v6_1}, guest)
    site.cloud.change(port, mac_address="fa:16:3e:00:00:09")
    site.host.reconcile(site.cloud)
    guest.run("ip", "link", "set", "eth0", "up")
    wait_for(lambda: "fd00:1::f816:3eff:fe00:9" in guest.run("ip", "-6", "addr").stdout, 8, "an address from radvd")
    guest.ping_until("fd00:2::12")


def test_metering_counts_what_crosses_the_gateway(site: Site) -> None:
    label = MeteringLabel(
        id=new_id(),
        router_ids=(site.router.id,),
        rules=(
            MeteringRule(id=new_id(), direction="egress", remote_ip_prefix="0.0.0.0/0"),
            MeteringRule(id=new_id(), direction="egress", remote_ip_prefix="172.24.4.9/32", excluded=True),
        ),
    )
    site.cloud.labels[label.id] = label
    site.outside.address("172.24.4.9/24")
    site.host.reconcile(site.cloud, verify=False)
    site.a.run("ping", "-c", "3", "-i", "0.1", "172.24.4.1")
    site.a.run("ping", "-c", "3", "-i", "0.1", "172.24.4.9")
    site.a.run("ping", "-c", "3", "-i", "0.1", "10.2.0.12")
    assert site.host.agent.reconcile().metering == {label.id: (3, 3 * 84)}

    # Nobody's change of the table loses what was counted.
    with netns.inside(site.host.qrouter(site.router.id)):
        site.a.run("true")
    Space.run(_Existing(site.host.qrouter(site.router.id)), "nft", "flush", "ruleset")  # type: ignore[arg-type]
    report = site.host.agent.reconcile()
    assert f"router {site.router.id}" not in report.errors
    site.a.ping_until("172.24.4.1")


def test_a_floating_ips_bandwidth(site: Site) -> None:
    limit = Qos(ingress_kbps=8000, ingress_burst_kbits=800, egress_kbps=8000, egress_burst_kbits=800)
    site.cloud.floating_ip(site.router, "172.24.4.10", "10.1.0.11", qos=limit)
    site.host.reconcile(site.cloud, verify=False)
    site.outside.ping_until("172.24.4.10")
    # The kernel's bucket begins with a second's worth.
    site.outside.run("ping", "-q", "-f", "-s", "1400", "-w", "2", "172.24.4.10", check=False)
    flood = site.outside.run("ping", "-q", "-f", "-s", "1400", "-w", "2", "172.24.4.10", check=False).stdout
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", flood).groups())  # type: ignore[union-attr]
    assert 4000 < received * 1428 * 8 / 2 / 1000 < 9000, f"{received} of {sent} got through in 2 s"


def test_the_agent_gone_everything_still_works_and_a_purge_leaves_nothing(site: Site) -> None:
    site.cloud.floating_ip(site.router, "172.24.4.10", "10.1.0.11")
    site.host.reconcile(site.cloud, verify=False)
    site.outside.ping_until("172.24.4.10")
    site.host.agent.purge()
    assert site.host.qrouter(site.router.id) not in netns.names(site.lab.prefix)
    assert site.host.space.run("nft", "list", "ruleset").stdout == ""
    left = {link for link in site.host.space.netlink.links() if link not in ("lo", "ext0")}
    assert left == set()


class _Existing:
    """A namespace that the agent has made, to run something in."""

    def __init__(self, name: str) -> None:
        self.name = name
