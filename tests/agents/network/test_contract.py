"""What every driver does, the simulated ones and those that act on this machine's kernel, on the same cloud.

Each test applies a plan, looks at what is there, breaks it where a hand could, and has it mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.agents.network import netns
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.linux import linux_drivers
from cumulet.agents.network.planning import plan
from cumulet.agents.network.planning.plans import HostPlan
from cumulet.agents.network.protocols import Drivers, Outcome
from cumulet.agents.network.state import Qos
from cumulet.simulator.network import SimulatedHost, simulated_drivers
from tests.agents.network.cloud import EGRESS_ALL, Cloud, rule
from tests.system.network.lab import Lab, missing_for_root_tests


class Bench:
    """A host with its drivers, and a cloud with one of everything on it."""

    def __init__(self, drivers: Drivers, config: AgentConfig, break_device: Callable[[str], None]) -> None:
        self.drivers = drivers
        self.config = config
        self.break_device = break_device
        self.cloud = cloud = Cloud(h1="192.0.2.1", h2="192.0.2.2")
        self.network = cloud.network("vxlan", segmentation_id=4711, mtu=1450)
        self.subnet = cloud.subnet(self.network, "10.0.0.0/24", gateway_ip="10.0.0.1")
        external = cloud.network()
        outside = cloud.subnet(external, "172.24.4.0/24", gateway_ip="172.24.4.1")
        self.group = cloud.group(*EGRESS_ALL, rule(protocol="icmp"))
        self.port = cloud.port(
            self.network, "h1", {"10.0.0.11": self.subnet}, plug="tap", security_groups=(self.group.id,)
        )
        self.remote = cloud.port(self.network, "h2", {"10.0.0.12": self.subnet})
        self.dhcp = cloud.dhcp(self.network, "h1", {"10.0.0.2": self.subnet})
        self.router = cloud.router(
            "h1", [(self.network, {"10.0.0.1": self.subnet})], (external, {"172.24.4.2": outside})
        )
        cloud.floating_ip(self.router, "172.24.4.10", "10.0.0.11")

    @property
    def tap(self) -> str:
        return "tap" + self.port.id[:11]

    @property
    def bridge(self) -> str:
        return "brq" + self.network.id[:11]

    def plan(self) -> HostPlan:
        made = plan(self.cloud.state("h1"), self.config)
        assert not made.errors
        return made

    def apply(self, made: HostPlan | None = None, *, verify: bool = True) -> Outcome:
        """All drivers in the agent's order."""
        made = made or self.plan()
        drivers = self.drivers
        total = drivers.switch.retire(made.switch, verify=verify)
        total.add(drivers.filter.apply(made.filter, verify=verify))
        total.add(drivers.switch.apply(made.switch, verify=verify))
        total.add(drivers.dhcp.apply(made.dhcp, verify=verify))
        total.add(drivers.routers.apply(made.routers, verify=verify))
        total.add(drivers.metadata.apply(made.metadata, verify=verify))
        total.add(drivers.qos.apply(made.qos, verify=verify))
        total.add(drivers.switch.collect(made.switch))
        assert total.errors == {}
        return total


@pytest.fixture(params=["simulated", pytest.param("linux", marks=pytest.mark.root)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "simulated":
        host = SimulatedHost()
        config = AgentConfig(host="h1", state_dir=tmp_path, local_ip="192.0.2.1")

        def lose(name: str) -> None:
            host.devices.pop(name)
            for inside in host.bridges.values():
                inside.discard(name)

        yield Bench(simulated_drivers(host), config, lose)
        return
    reason = missing_for_root_tests()
    if reason is not None:
        pytest.skip(reason)
    lab = Lab(tmp_path)
    try:
        there = lab.host("h1", local_ip="192.0.2.1")
        yield Bench(
            linux_drivers(there.config), there.config, lambda n: there.space.run("ip", "link", "del", n) and None
        )
    finally:
        lab.close()


def test_applying_twice_changes_nothing_more(bench: Bench) -> None:
    made = bench.plan()
    assert bench.apply(made).changed
    assert bench.apply(made, verify=False).changed == []
    assert bench.apply(made).changed == []


def test_switch(bench: Bench) -> None:
    bench.apply()
    inner = [bench.dhcp.id, bench.router.interfaces[0]]
    observed = bench.drivers.switch.observe()
    assert observed["bridges"][bench.bridge] == sorted([bench.tap, "vxlan-4711", *("tap" + i[:11] for i in inner)])
    assert observed["tunnels"] == {
        "vxlan-4711": [("00:00:00:00:00:00", "192.0.2.2"), (bench.remote.mac_address, "192.0.2.2")]
    }
    prefix = bench.config.prefix
    assert observed["namespaces"] == [f"{prefix}qdhcp-{bench.network.id}", f"{prefix}qrouter-{bench.router.id}"]

    bench.break_device(bench.tap)
    assert bench.drivers.switch.observe() != observed
    bench.apply()
    assert bench.drivers.switch.observe() == observed

    bench.cloud.remove(bench.remote)
    bench.apply(verify=False)
    assert bench.drivers.switch.observe()["tunnels"] == {"vxlan-4711": []}
    bench.cloud.change(bench.port, plug="external")
    bench.break_device(bench.tap)
    bench.apply()
    assert bench.drivers.switch.missing() == {bench.tap}


def test_filter(bench: Bench) -> None:
    bench.apply()
    inner = [bench.dhcp.id, *bench.router.interfaces, bench.router.gateway_port or ""]
    wanted: dict[str, Any] = {
        "ports": {bench.tap: "guest", **{"tap" + port[:11]: "unfiltered" for port in inner}},
        "groups": [bench.group.id],
    }
    assert bench.drivers.filter.observe() == wanted
    bench.cloud.change(bench.port, port_security_enabled=False, security_groups=())
    bench.apply(verify=False)
    wanted["ports"][bench.tap] = "unfiltered"
    assert bench.drivers.filter.observe() == {**wanted, "groups": []}


def test_dhcp(bench: Bench) -> None:
    bench.apply()
    gateway = bench.cloud.ports[bench.router.interfaces[0]]
    leases = [(bench.port, "10.0.0.11"), (bench.remote, "10.0.0.12"), (gateway, "10.0.0.1")]
    wanted = sorted((port.mac_address, address) for port, address in leases)
    assert bench.drivers.dhcp.observe() == {bench.network.id: wanted}
    bench.cloud.remove(bench.remote)
    bench.apply(verify=False)
    wanted.remove((bench.remote.mac_address, "10.0.0.12"))
    assert bench.drivers.dhcp.observe() == {bench.network.id: wanted}
    bench.cloud.remove(bench.dhcp)
    bench.cloud.dhcp_on.clear()
    bench.apply(verify=False)
    assert bench.drivers.dhcp.observe() == {}


def test_routers(bench: Bench) -> None:
    bench.apply()
    addresses = ["10.0.0.1/24", "172.24.4.10/32", "172.24.4.2/24"]
    wanted = {bench.router.id: {"addresses": addresses, "floating_ips": [("172.24.4.10", "10.0.0.11")]}}
    assert bench.drivers.routers.observe() == wanted
    assert bench.drivers.routers.ha_states() == {}
    bench.cloud.change(bench.cloud.routers[bench.router.id], floating_ips=())
    bench.apply(verify=False)
    assert bench.drivers.routers.observe() == {
        bench.router.id: {"addresses": ["10.0.0.1/24", "172.24.4.2/24"], "floating_ips": []}
    }
    bench.cloud.remove(bench.router)
    for port in [p for p in bench.cloud.ports.values() if p.device_id == bench.router.id]:
        bench.cloud.remove(port)
    bench.apply(verify=False)
    assert bench.drivers.routers.observe() == {}


def test_metadata(bench: Bench) -> None:
    bench.apply()
    namespace = f"{bench.config.prefix}qrouter-{bench.router.id}"
    known = bench.drivers.metadata.observe()[namespace]
    assert [a for a in known if "." in a] == ["10.0.0.11", "10.0.0.12"]
    bench.cloud.remove(bench.remote)
    bench.apply(verify=False)
    assert [a for a in bench.drivers.metadata.observe()[namespace] if "." in a] == ["10.0.0.11"]


def test_qos(bench: Bench) -> None:
    bench.cloud.change(bench.port, qos=Qos(ingress_kbps=8000, egress_kbps=4000))
    bench.apply()
    assert bench.drivers.qos.observe() == {bench.tap: (8000, True)}
    bench.cloud.change(bench.port, qos=Qos(ingress_kbps=16000))
    bench.apply(verify=False)
    assert bench.drivers.qos.observe() == {bench.tap: (16000, False)}
    bench.cloud.change(bench.port, qos=None)
    bench.apply(verify=False)
    assert bench.drivers.qos.observe() == {}


def test_a_purge_by_drivers_that_made_nothing_leaves_nothing(bench: Bench) -> None:
    """As after a crash: the ones that purge are not the ones that made it."""
    bench.cloud.change(bench.port, qos=Qos(ingress_kbps=8000, egress_kbps=4000))
    bench.apply()
    drivers = bench.drivers if bench.config.host_namespace is None else linux_drivers(bench.config)
    for part in (drivers.metadata, drivers.routers, drivers.dhcp, drivers.qos, drivers.switch, drivers.filter):
        part.purge()
    assert drivers.switch.observe() == {"bridges": {}, "tunnels": {}, "namespaces": []}
    assert drivers.filter.observe() == {"ports": {}, "groups": []}
    for part in (drivers.dhcp, drivers.routers, drivers.metadata, drivers.qos):
        assert part.observe() == {}
    if bench.config.prefix:
        assert netns.names(bench.config.prefix) == []
