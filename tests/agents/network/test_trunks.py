"""Ports of a trunk: parts of their parent's device, told apart by VLAN tags."""

from __future__ import annotations

from pathlib import Path

from cumulet.agents.network import names
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.links import Link
from cumulet.agents.network.planning import plan
from cumulet.agents.network.switch import devices
from cumulet.simulator.network import SimulatedHost, simulated_drivers
from tests.agents.network.cloud import Cloud


class Trunk:
    """A guest on h1 with a port of its own network, and one of another network over the same device, with tag 101."""

    def __init__(self) -> None:
        self.cloud = Cloud()
        one, other = self.cloud.network(), self.cloud.network()
        self.parent = self.cloud.port(one, "h1", {"10.0.0.5": self.cloud.subnet(one, "10.0.0.0/24")})
        self.part = self.cloud.port(
            other, "h1", {"10.1.0.5": self.cloud.subnet(other, "10.1.0.0/24")}, trunk_port=self.parent.id, vlan=101
        )
        self.tap, self.part_tap = names.tap(self.parent.id), names.tap(self.part.id)


def test_a_part_is_planned_on_its_parents_device_and_filtered_like_any_port() -> None:
    trunk = Trunk()
    made = plan(trunk.cloud.state("h1"), AgentConfig(host="h1", state_dir=Path("/nowhere")))
    device = made.switch.devices[trunk.part_tap]
    assert (device.kind, device.parent, device.vlan) == ("vlan", trunk.tap, 101)
    assert device.bridge == names.bridge(trunk.part.network_id)
    assert made.filter.ports[trunk.part_tap].mode == "guest"


def test_a_part_is_down_while_its_parents_device_is_missing(tmp_path: Path) -> None:
    trunk, host = Trunk(), SimulatedHost()
    agent = NetworkAgent(AgentConfig(host="h1", state_dir=tmp_path), simulated_drivers(host))
    agent.want(trunk.cloud.state("h1"))
    assert set(agent.reconcile().ports.values()) == {"DOWN"}
    host.external_devices.add(trunk.tap)
    assert set(agent.reconcile().ports.values()) == {"ACTIVE"}
    assert host.bridges[names.bridge(trunk.part.network_id)] == {trunk.part_tap}
    trunk.cloud.remove(trunk.part)
    agent.want(trunk.cloud.state("h1"))
    agent.reconcile()
    assert trunk.part_tap not in host.devices


def test_a_device_with_another_tag_or_on_another_parent_is_no_such_part() -> None:
    """VLAN devices do not exist on every machine that runs these tests, so what the kernel says is made up here."""
    trunk = Trunk()
    device = plan(trunk.cloud.state("h1"), AgentConfig(host="h1", state_dir=Path("/nowhere"))).switch.devices[
        trunk.part_tap
    ]

    def link(index: int, kind: str, parent: int = 0, tag: int = 0) -> Link:
        info = {"id": tag} if kind == "vlan" else {}
        return Link(index, "tap", kind, "fe:16:3e:00:00:01", 1500, True, 0, "", parent, info)

    parent = link(7, "tun")
    assert devices.is_part_of(link(8, "vlan", 7, 101), device, parent)
    assert not devices.is_part_of(link(8, "vlan", 7, 102), device, parent)
    assert not devices.is_part_of(link(8, "vlan", 6, 101), device, parent)
    assert not devices.is_part_of(link(8, "veth", 7), device, parent)
    assert not devices.is_part_of(link(8, "vlan", 7, 101), device, None)
