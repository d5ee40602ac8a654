"""Bandwidth limits, packet rates and DSCP marks of ports, measured."""

from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from cumulet.agents.network import netns
from cumulet.agents.network.state import Qos
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Host, Lab, Space, wait_for


class Pair:
    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self.cloud = cloud
        self.host: Host = lab.host("h1")
        network = cloud.network()
        subnet = cloud.subnet(network, "10.0.0.0/24")
        group = cloud.group(*EGRESS_ALL, rule())
        self.a: Space = lab.space("a")
        self.b: Space = lab.space("b")
        self.port = cloud.guest(network, "h1", {"10.0.0.11": subnet}, self.a.name, security_groups=(group.id,))
        cloud.guest(network, "h1", {"10.0.0.12": subnet}, self.b.name, security_groups=(group.id,))
        self.host.reconcile(cloud)
        self.a.address("10.0.0.11/24")
        self.b.address("10.0.0.12/24")
        self.a.ping_until("10.0.0.12")

    def limit(self, qos: Qos | None) -> None:
        self.cloud.change(self.port, qos=qos)
        self.host.reconcile(self.cloud, verify=False)


@pytest.fixture
def pair(lab: Lab, cloud: Cloud) -> Pair:
    return Pair(lab, cloud)


def kbps(sender: Space, receiver: Space, target: str, seconds: float) -> float:
    """The rate at which TCP data arrives, after the first second."""
    with netns.inside(receiver.name):
        listening = socket.create_server((target, 5001))
    with netns.inside(sender.name):
        client = socket.create_connection((target, 5001), timeout=5)
    server, _ = listening.accept()
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                client.send(bytes(16384))
            except OSError:
                return

    thread = threading.Thread(target=send)
    thread.start()
    server.settimeout(5)
    started, received = time.monotonic(), 0
    while time.monotonic() < started + 1:
        server.recv(1 << 18)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        received += len(server.recv(1 << 18))
    took = time.monotonic() - began
    stop.set()
    server.close()
    client.close()
    listening.close()
    thread.join()
    return received * 8 / 1000 / took


def test_what_a_guest_gets_is_shaped(pair: Pair) -> None:
    pair.limit(Qos(ingress_kbps=10_000))
    assert 5_000 < kbps(pair.b, pair.a, "10.0.0.11", 2) < 11_000
    pair.limit(Qos(ingress_kbps=50_000))
    assert 25_000 < kbps(pair.b, pair.a, "10.0.0.11", 2) < 55_000
    pair.limit(None)
    assert kbps(pair.b, pair.a, "10.0.0.11", 0.5) > 100_000


def test_what_a_guest_sends_is_limited(pair: Pair) -> None:
    pair.limit(Qos(egress_kbps=10_000))
    assert kbps(pair.a, pair.b, "10.0.0.12", 3) < 13_000
    assert kbps(pair.b, pair.a, "10.0.0.11", 0.5) > 100_000, "the other direction is free"
    pair.limit(None)
    assert kbps(pair.a, pair.b, "10.0.0.12", 0.5) > 100_000


def test_packets_a_second(pair: Pair) -> None:
    pair.limit(Qos(egress_kpps=1))
    pair.a.run("ping", "-q", "-f", "-w", "1", "10.0.0.12", check=False)
    out = pair.a.run("ping", "-q", "-f", "-w", "2", "10.0.0.12", check=False).stdout
    received = int(re.search(r"(\d+) received", out).group(1))  # type: ignore[union-attr]
    assert received < 2600, out


def test_dscp(pair: Pair) -> None:
    pair.limit(Qos(dscp_mark=46))
    capture = pair.b.start("tcpdump", "-n", "-v", "-c", "1", "-i", "eth0", "icmp", "and", "src", "10.0.0.11")
    wait_for(lambda: pair.a.pings("10.0.0.12") and capture.poll() is not None, 10, "a captured packet")
    assert "tos 0xb8" in capture.communicate()[0]


def test_an_altered_limit_is_put_right(pair: Pair) -> None:
    pair.limit(Qos(ingress_kbps=10_000, egress_kbps=10_000))
    tap = "tap" + pair.port.id[:11]
    wanted = pair.host.agent._drivers.qos.observe()
    assert wanted == {tap: (10_000, True)}
    pair.host.space.run("tc", "qdisc", "del", "dev", tap, "root")
    pair.host.space.run("nft", "delete", "table", "bridge", f"{pair.host.config.table}_qos")
    assert pair.host.agent._drivers.qos.observe() == {}
    pair.host.agent.reconcile()
    assert pair.host.agent._drivers.qos.observe() == wanted
