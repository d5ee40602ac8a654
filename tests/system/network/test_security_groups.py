"""Security groups between guests on one host: default deny, allow, deny again, remote groups, ports."""

from __future__ import annotations

import socket
import threading
import time

from cumulet.agents.network import netns
from tests.agents.network.cloud import EGRESS_ALL, Cloud, new_id, rule
from tests.system.network.lab import Host, Lab, RunningPing, Space


class Pair:
    """Guests `a` (10.0.0.11) and `b` (10.0.0.12) on one network of one host, each with a group of its own."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.cloud = cloud
        self.host: Host = lab.host("h1")
        self.network = cloud.network()
        self.subnet = cloud.subnet(self.network, "10.0.0.0/24")
        self.subnet6 = cloud.subnet(self.network, "fd00:10::/64")
        self.group_a, self.group_b = cloud.group(*EGRESS_ALL), cloud.group(*EGRESS_ALL)
        self.a, self.b = lab.space("a"), lab.space("b")
        self.port_a = self._guest("11", self.a, self.group_a.id)
        self.port_b = self._guest("12", self.b, self.group_b.id)
        self.host.reconcile(cloud)
        for number, space in (("11", self.a), ("12", self.b)):
            space.address(f"10.0.0.{number}/24")
            space.address(f"fd00:10::{number}/64")

    def _guest(self, number: str, space: Space, group: str):  # type: ignore[no-untyped-def]
        addresses = {f"10.0.0.{number}": self.subnet, f"fd00:10::{number}": self.subnet6}
        return self.cloud.guest(self.network, "h1", addresses, space.name, security_groups=(group,))

    def rules_of_b(self, *rules):  # type: ignore[no-untyped-def]
        self.group_b = self.cloud.change(self.group_b, rules=(*EGRESS_ALL, *rules))
        return self.host.reconcile(self.cloud, verify=False)


def test_a_ping_fails_until_a_rule_allows_it_and_ends_when_the_rule_goes(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    assert not pair.a.pings("10.0.0.12")
    assert not pair.a.pings("fd00:10::12")

    pair.rules_of_b(rule(protocol="icmp"), rule(protocol="ipv6-icmp", ethertype="IPv6"))
    assert pair.a.pings("10.0.0.12")
    assert pair.a.pings("fd00:10::12")
    assert not pair.b.pings("10.0.0.11"), "the other direction has no rule"

    ping = RunningPing(pair.a, "10.0.0.12")
    pair.rules_of_b()
    time.sleep(1)
    sent, lost = ping.losses()
    assert lost >= 15, f"an established ping went on after its rule was gone: {lost} of {sent} lost"


def test_an_established_tcp_connection_ends_with_its_rule_and_cannot_come_back_by_the_other_end(
    lab: Lab, cloud: Cloud
) -> None:
    pair = Pair(lab, cloud)
    # The client is somebody outside, whom no group of his own keeps from being answered.
    cloud.change(pair.port_a, port_security_enabled=False, security_groups=())
    pair.rules_of_b(rule(protocol="tcp", port_range_min=22, port_range_max=22))
    server, client = _connected(pair, 22)
    with server, client:
        client.send(b"before")
        assert server.recv(100) == b"before"
        pair.rules_of_b()
        client.send(b"after")
        assert _silent(server), "data got through after the rule was gone"
        # b may send whatever it wants; the kernel would take the old connection up again for it.
        server.send(b"still there?")
        assert _silent(client), "the server's side has opened the ended connection again"
        assert _silent(server)

        # A rule that comes back allows new connections at once.
        pair.rules_of_b(rule(protocol="tcp", port_range_min=22, port_range_max=22))
        again_server, again_client = _connected(pair, 22)
        again_client.close()
        again_server.close()


def test_connections_that_another_rule_still_allows_are_not_disturbed(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    wide = rule(protocol="tcp", port_range_min=1, port_range_max=1000)
    narrow = rule(protocol="tcp", port_range_min=22, port_range_max=22)
    icmp = rule(protocol="icmp")
    pair.rules_of_b(wide, narrow, icmp)
    server, client = _connected(pair, 22)
    ping = RunningPing(pair.a, "10.0.0.12")
    with server, client:
        pair.rules_of_b(wide, icmp)
        client.send(b"still allowed")
        assert server.recv(100) == b"still allowed"
        assert ping.losses()[1] == 0


def test_ports_ranges_and_prefixes_that_overlap(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    pair.rules_of_b(
        rule(protocol="tcp", port_range_min=8000, port_range_max=8010, remote_ip_prefix="10.0.0.0/8"),
        rule(protocol="tcp", port_range_min=8005, port_range_max=8005, remote_ip_prefix="10.0.0.0/24"),
        rule(protocol="tcp", port_range_min=8020, port_range_max=8020, remote_ip_prefix="192.0.2.0/24"),
        rule(protocol="tcp", port_range_min=9000, port_range_max=9000),
        rule(protocol="icmp", port_range_min=8, port_range_max=0, remote_ip_prefix="10.0.0.11/32"),
    )
    assert pair.a.pings("10.0.0.12")
    assert {p for p in (7999, 8000, 8005, 8010, 8011, 8020, 9000, 9001) if _reaches(pair, p)} == {
        8000,
        8005,
        8010,
        9000,
    }


def test_a_remote_group_is_its_members(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    friends = new_id()
    cloud.members(friends, "10.0.0.99", "fd00:10::99")
    by_group = rule(remote_group_id=friends), rule(remote_group_id=friends, ethertype="IPv6")
    pair.rules_of_b(*by_group)
    assert not pair.a.pings("10.0.0.12")

    cloud.members(friends, "10.0.0.99", "10.0.0.11", "fd00:10::11")
    pair.host.reconcile(cloud, verify=False)
    assert pair.a.pings("10.0.0.12")
    assert pair.a.pings("fd00:10::12")

    ping = RunningPing(pair.a, "10.0.0.12")
    cloud.members(friends, "10.0.0.99")
    pair.host.reconcile(cloud, verify=False)
    time.sleep(0.5)
    assert ping.losses()[1] >= 5, "a connection outlived the membership that allowed it"

    # A prefix among the members, as an allowed address pair gives one.
    cloud.members(friends, "10.0.0.0/28")
    pair.host.reconcile(cloud, verify=False)
    assert pair.a.pings("10.0.0.12")


def test_a_stateless_group_tracks_nothing(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    pair.group_b = cloud.change(pair.group_b, stateful=False, rules=(rule("egress"), rule(protocol="icmp")))
    pair.host.reconcile(cloud, verify=False)
    assert pair.a.pings("10.0.0.12")
    pair.group_b = cloud.change(pair.group_b, rules=(rule(protocol="icmp"),))
    pair.host.reconcile(cloud, verify=False)
    assert not pair.a.pings("10.0.0.12"), "an answer left without an egress rule"


def test_a_port_without_port_security_is_not_filtered(lab: Lab, cloud: Cloud) -> None:
    pair = Pair(lab, cloud)
    cloud.change(pair.port_b, port_security_enabled=False, security_groups=())
    pair.host.reconcile(cloud, verify=False)
    assert pair.a.pings("10.0.0.12")


def _connected(pair: Pair, port: int) -> tuple[socket.socket, socket.socket]:
    with netns.inside(pair.b.name), socket.create_server(("10.0.0.12", port)) as listening:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(listening.accept()[0]))
        thread.start()
        with netns.inside(pair.a.name):
            client = socket.create_connection(("10.0.0.12", port), timeout=3)
        thread.join()
    accepted[0].settimeout(3)
    return accepted[0], client


def _silent(connection: socket.socket) -> bool:
    connection.settimeout(0.8)
    try:
        connection.recv(100)
    except TimeoutError:
        return True
    return False


def _reaches(pair: Pair, port: int) -> bool:
    """Refused by the guest means that the filter let it through."""
    with netns.inside(pair.a.name):
        try:
            socket.create_connection(("10.0.0.12", port), timeout=0.3).close()
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    return True
