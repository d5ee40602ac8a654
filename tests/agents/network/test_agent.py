"""The agent itself, on a simulated host: documents in, a host that is as they say, reports out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.deltas import Delta, GenerationGap, encode
from cumulet.agents.network.filter.conntrack import Connection, Side
from cumulet.agents.network.report import Report
from cumulet.simulator.network import SimulatedFilter, SimulatedHost, simulated_drivers
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule


class World:
    def __init__(self, directory: Path) -> None:
        self.cloud = Cloud(h1="192.0.2.1", h2="192.0.2.2")
        self.network = self.cloud.network("vxlan", segmentation_id=1001)
        self.subnet = self.cloud.subnet(self.network, "10.0.0.0/24", gateway_ip="10.0.0.1")
        self.group = self.cloud.group(*EGRESS_ALL)
        self.port = self.cloud.port(
            self.network, "h1", {"10.0.0.11": self.subnet}, security_groups=(self.group.id,), plug="tap"
        )
        self.config = AgentConfig(host="h1", state_dir=directory, local_ip="192.0.2.1", sweep_interval=0.05)
        self.host = SimulatedHost()
        self.agent = self.new_agent()

    def new_agent(self) -> NetworkAgent:
        return NetworkAgent(self.config, simulated_drivers(self.host))

    def apply(self) -> Report:
        self.agent.accept(encode(self.cloud.state("h1")))
        return self.agent.reconcile(verify=False)

    @property
    def tap(self) -> str:
        return "tap" + self.port.id[:11]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_port_is_wired_reported_and_taken_away(world: World) -> None:
    report = world.apply()
    assert report.generation == world.cloud.generation
    assert report.ports == {world.port.id: "ACTIVE"}
    assert world.tap in world.host.devices
    world.cloud.remove(world.port)
    assert world.apply().ports == {}
    assert world.host.devices == {}
    assert world.host.bridges == {}


def test_an_external_port_is_down_until_its_device_is_there(world: World) -> None:
    world.cloud.change(world.port, plug="external")
    assert world.apply().ports == {world.port.id: "DOWN"}
    world.host.external_devices.add(world.tap)
    assert world.agent.reconcile().ports == {world.port.id: "ACTIVE"}


def test_a_delta_that_does_not_fit_changes_nothing(world: World) -> None:
    world.apply()
    with pytest.raises(GenerationGap):
        world.agent.accept(encode(Delta(host="h1", base_generation=77, generation=78)))
    assert world.agent.reconcile().ports == {world.port.id: "ACTIVE"}


def test_a_document_for_another_host_is_refused(world: World) -> None:
    with pytest.raises(msgspec.ValidationError, match="h2"):
        world.agent.accept(encode(world.cloud.state("h2")))


def test_an_object_that_arrives_broken_stays_as_it_was(world: World) -> None:
    world.apply()
    other = world.cloud.port(world.network, "h1", {"10.0.0.12": world.subnet}, plug="tap")
    document = encode(world.cloud.state("h1")).replace(world.port.mac_address.encode(), b"not a mac", 1)
    world.agent.accept(document)
    report = world.agent.reconcile(verify=False)
    assert f"ports/{world.port.id}" in report.errors
    assert world.tap in world.host.devices, "the port that was there is not torn down"
    assert report.ports[other.id] == "ACTIVE"


def test_one_objects_failure_is_its_own_and_is_tried_again(world: World) -> None:
    other = world.cloud.port(world.network, "h1", {"10.0.0.12": world.subnet}, plug="tap")
    world.host.faults[world.port.id] = "the device is busy"
    report = world.apply()
    assert report.errors == {f"ports/{world.port.id}": "the device is busy"}
    assert report.ports == {world.port.id: "ERROR", other.id: "ACTIVE"}
    world.host.faults.clear()
    assert world.agent.reconcile().ports == {world.port.id: "ACTIVE", other.id: "ACTIVE"}


def test_without_a_filter_no_port_is_plugged(world: World) -> None:
    world.host.faults["filter"] = "br_netfilter is missing"
    report = world.apply()
    assert report.ports == {world.port.id: "ERROR"}
    assert world.host.devices == {}


def test_what_was_broken_by_hand_is_repaired_and_named(world: World) -> None:
    world.apply()
    assert world.agent.reconcile().repaired == ()
    world.host.bridges[f"brq{world.network.id[:11]}"].clear()
    world.host.devices.clear()
    assert world.port.id in world.agent.reconcile().repaired
    assert world.tap in world.host.devices


def test_a_new_agent_goes_on_from_what_the_last_one_knew(world: World) -> None:
    world.apply()
    world.host.devices.clear()
    again = world.new_agent()
    assert again.load()
    assert again.generation == world.cloud.generation
    assert again.reconcile().ports == {world.port.id: "ACTIVE"}
    (world.config.state_dir / "wanted.json").write_text("{")
    assert not world.new_agent().load()


def test_the_simulated_filter_judges_as_the_rules_say(world: World) -> None:
    world.cloud.port(world.network, "h1", {"10.0.0.12": world.subnet}, security_groups=(world.group.id,), plug="tap")
    world.apply()
    side = Side("10.0.0.12", "10.0.0.11", 8, 0)
    ping = Connection(0, 4, 1, side, side, b"")
    simulated = SimulatedFilter(world.host)
    assert not simulated.permits(ping)
    world.cloud.change(world.group, rules=(*EGRESS_ALL, rule(protocol="icmp")))
    world.apply()
    assert simulated.permits(ping)


class Running:
    """An agent's loop in a thread, with its reports."""

    def __init__(self, agent: NetworkAgent) -> None:
        self.reports: list[Report] = []
        self.gaps = 0
        self._agent = agent
        self._thread = threading.Thread(target=lambda: agent.run(self.reports.append, on_gap=self._gap))
        self._thread.start()

    def _gap(self) -> None:
        self.gaps += 1

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stop(self) -> None:
        self._agent.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()


def test_the_loop_applies_documents_repairs_and_survives_defects(world: World) -> None:
    running = Running(world.agent)
    try:
        world.agent.receive(b"nonsense")
        world.agent.receive(encode(Delta(host="h1", base_generation=500, generation=501)))
        world.agent.receive(encode(world.cloud.state("h1")))
        running.wait(lambda: bool(running.reports) and running.reports[-1].ports == {world.port.id: "ACTIVE"})
        assert running.gaps == 1

        world.host.devices.clear()
        world.host.bridges.clear()
        running.wait(lambda: world.tap in world.host.devices)

        # A defect in a driver: passes fail until it is gone, and the loop goes on.
        bridges, world.host.bridges = world.host.bridges, None  # type: ignore[assignment]
        time.sleep(0.2)
        world.host.bridges = bridges
        count = len(running.reports)
        running.wait(lambda: len(running.reports) > count)
    finally:
        running.stop()


def test_a_purge_leaves_an_empty_host(world: World) -> None:
    world.cloud.dhcp(world.network, "h1", {"10.0.0.2": world.subnet})
    world.cloud.router("h1", [(world.network, {"10.0.0.1": world.subnet})])
    world.apply()
    assert world.host.namespaces
    world.agent.purge()
    left = SimulatedHost()
    for part in ("bridges", "devices", "namespaces", "dhcp", "routers", "metadata", "qos", "filters"):
        assert getattr(world.host, part) == getattr(left, part), part
    assert not world.agent.load()
