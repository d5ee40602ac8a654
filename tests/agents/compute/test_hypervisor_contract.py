"""What every simulated driver does, asked as the engine asks a real host: over the bus, by the host's name.

A host of its own and one of a fleet answer alike; every method may be repeated, and guests outlive their agent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cumulet.agents.compute.agent import Agent
from cumulet.agents.compute.protocols import Hypervisor
from cumulet.agents.host.simulated import PluggedHypervisor, SimulatedWatch
from cumulet.kernel.bus import HostUnreachable, MemoryBus, RemoteError
from cumulet.simulator.compute import PAUSED, RUNNING, SHUTDOWN, SUSPENDED, SimulatedHypervisor
from cumulet.simulator.fleet import Fleet
from cumulet.simulator.network import SimulatedHost

Make = Callable[[Path], dict[str, Any]]
"""Drivers by host name (`one` and `two`), on what is kept in a directory."""


def _alone(folder: Path) -> dict[str, Any]:
    return {name: SimulatedHypervisor(file=folder / f"{name}.json") for name in ("one", "two")}


def _plugged(folder: Path) -> dict[str, Any]:
    return {
        name: PluggedHypervisor(SimulatedHost(), SimulatedWatch(), file=folder / f"{name}.json")
        for name in ("one", "two")
    }


def _fleet(folder: Path) -> dict[str, Any]:
    return dict(Fleet(["one", "two"], folder=folder).hypervisors)


class Hosts:
    """`hosts.ask("start", server_id=…)` at host `one`, or at another."""

    def __init__(self, make: Make, folder: Path) -> None:
        self._make, self._folder = make, folder
        self.bus = MemoryBus()
        self.start()

    def start(self) -> None:
        self._stop = threading.Event()
        self.drivers = self._make(self._folder)
        methods = Agent(self.bus, self.drivers).methods()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self.bus.serve, args=(list(self.drivers), methods, self._stop), kwargs={"ready": ready}, daemon=True
        )
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def ask(self, method: str, host: str = "one", **args: Any) -> Any:
        return self.bus.call(host, f"compute.{method}", args, timeout_s=30)

    def twice(self, method: str, host: str = "one", **args: Any) -> Any:
        """Each is a wish of its own, so the bus does not answer the second from memory."""
        self.ask(method, host, **args)
        return self.ask(method, host, **args)

    def power(self, server_id: str, host: str = "one") -> int | None:
        found = self.ask("guests", host)
        assert isinstance(found, dict)
        return found.get(server_id)


@pytest.fixture(params=[_alone, _plugged, _fleet], ids=["alone", "plugged", "fleet"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(request.param, tmp_path)
    yield made
    made.stop()
    made.bus.close()


def guest(server_id: str, **rest: Any) -> dict[str, Any]:
    flavor = {"vcpus": 1, "ram": 128, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}
    whole = {"id": server_id, "name": "web", "hostname": "web", "number": 1, "flavor": flavor, "image_id": "image"}
    return {**whole, "vifs": [{"id": str(uuid4()), "mac_address": "fa:16:3e:00:00:01"}], **rest}


@pytest.fixture
def server_id(hosts: Hosts) -> str:
    found = str(uuid4())
    hosts.twice("spawn", guest=guest(found))
    return found


def test_a_guest_is_made_once_and_gone_once(hosts: Hosts, server_id: str) -> None:
    assert hosts.ask("guests") == {server_id: RUNNING} and hosts.ask("guests", "two") == {}
    assert "start 1" in hosts.ask("console_log", server_id=server_id)
    hosts.twice("destroy", server_id=server_id)
    assert hosts.ask("guests") == {}


@pytest.mark.parametrize(
    ("method", "args", "state"),
    [
        ("stop", {}, SHUTDOWN),
        ("pause", {}, PAUSED),
        ("suspend", {}, SUSPENDED),
        ("reboot", {"hard": True}, RUNNING),
        ("start", {}, RUNNING),
    ],
)
def test_power(hosts: Hosts, server_id: str, method: str, args: dict[str, Any], state: int) -> None:
    hosts.twice(method, server_id=server_id, **args)
    assert hosts.power(server_id) == state


def test_guests_outlive_their_agent(hosts: Hosts, server_id: str) -> None:
    hosts.ask("stop", server_id=server_id)
    hosts.stop()
    hosts.start()
    assert hosts.ask("guests") == {server_id: SHUTDOWN}
    hosts.ask("start", server_id=server_id)
    assert hosts.power(server_id) == RUNNING


def test_volumes_and_interfaces_come_and_go(hosts: Hosts, server_id: str) -> None:
    volume = {"volume_id": "v", "device": "/dev/vdb", "connection": {}}
    hosts.twice("attach_volume", server_id=server_id, disk=volume)
    hosts.twice("extend_volume", server_id=server_id, volume_id="v", size_gb=9)
    assert hosts.drivers["one"].volumes(server_id)["v"].size_gb == 9
    hosts.twice("detach_volume", server_id=server_id, volume_id="v")
    assert hosts.drivers["one"].volumes(server_id) == {}
    before = hosts.drivers["one"].ports()
    hosts.twice("attach_interface", server_id=server_id, vif={"id": "port"})
    assert hosts.drivers["one"].ports() == before | {"port"}
    hosts.twice("detach_interface", server_id=server_id, port_id="port")
    assert hosts.drivers["one"].ports() == before


def test_a_resize_is_confirmed_or_taken_back(hosts: Hosts, server_id: str) -> None:
    larger = guest(server_id, flavor={"vcpus": 2, "ram": 256, "disk": 2, "ephemeral": 0, "swap": 0, "extra_specs": {}})
    hosts.twice("resize", guest=larger, power_on=True)
    assert hosts.ask("diagnostics", server_id=server_id)["num_cpus"] == 2
    volume = {"volume_id": "v", "device": "/dev/vdb", "connection": {}}
    hosts.twice("revert_resize", server_id=server_id, volumes=[volume], power_on=True)
    assert hosts.ask("diagnostics", server_id=server_id)["num_cpus"] == 1
    assert list(hosts.drivers["one"].volumes(server_id)) == ["v"]
    hosts.ask("resize", guest=larger, power_on=False)
    hosts.twice("confirm_resize", server_id=server_id)
    assert hosts.power(server_id) == SHUTDOWN


def test_a_guest_moves_to_the_other_host(hosts: Hosts, server_id: str) -> None:
    offer = hosts.twice("send", server_id=server_id)
    hosts.twice("receive", "two", guest=guest(server_id), offer=offer, power_on=True)
    assert hosts.power(server_id) is None and hosts.power(server_id, "two") == RUNNING
    hosts.twice("confirm_resize", server_id=server_id)


def test_a_guest_moves_while_it_runs(hosts: Hosts, server_id: str) -> None:
    target = hosts.twice("prepare_live", "two", guest=guest(server_id), copy_disks=True)
    hosts.ask("live_migrate", server_id=server_id, target=target)
    assert hosts.power(server_id) is None and hosts.power(server_id, "two") == RUNNING


def test_rescue_rebuild_and_password(hosts: Hosts, server_id: str) -> None:
    hosts.twice("rescue", guest=guest(server_id, image_id="rescue"))
    hosts.twice("unrescue", server_id=server_id)
    hosts.twice("rebuild", guest=guest(server_id, image_id="other"))
    hosts.twice("set_password", server_id=server_id, password="secret")
    assert hosts.power(server_id) == RUNNING


_NEEDS: dict[str, dict[str, Any]] = {
    "reboot": {"hard": False},
    "snapshot": {"image_id": "image"},
    "revert_resize": {"volumes": [], "power_on": True},
    "live_migrate": {"target": {"address": "nowhere"}},
    "attach_volume": {"disk": {"volume_id": "v", "device": "/dev/vdb", "connection": {}}},
    "detach_volume": {"volume_id": "v"},
    "extend_volume": {"volume_id": "v", "size_gb": 2},
    "attach_interface": {"vif": {"id": "port"}},
    "detach_interface": {"port_id": "port"},
    "set_password": {"password": "secret"},
    "console": {"kind": "vnc"},
}
_BY_GUEST: dict[str, dict[str, Any]] = {"rebuild": {}, "rescue": {}, "resize": {"power_on": True}}
_BY_ID = ("start", "stop", "pause", "unpause", "suspend", "resume", "unrescue", "send", "abort_live", "force_live")
_SAID = ("live_progress", "inject_nmi", "diagnostics", "console_log")
_METHODS = [name for name, member in vars(Hypervisor).items() if callable(member) and not name.startswith("_")]


@pytest.mark.parametrize("method", [*_BY_GUEST, *_BY_ID, *_SAID, *_NEEDS])
def test_a_guest_that_is_not_there_is_told_by_its_name(hosts: Hosts, method: str) -> None:
    absent = str(uuid4())
    if method in _BY_GUEST:
        args = {"guest": guest(absent), **_BY_GUEST[method]}
    else:
        args = {"server_id": absent, **_NEEDS.get(method, {})}
    with pytest.raises(RemoteError) as told:
        hosts.ask(method, **args)
    assert told.value.type == "NoSuchGuest"


@pytest.mark.parametrize("method", sorted(_METHODS))
def test_every_method_is_reached_at_every_host(hosts: Hosts, method: str) -> None:
    """A call without what it needs is refused by the method itself, not for its name or its host's."""
    for host in ("one", "two"):
        try:
            hosts.ask(method, host)
        except RemoteError as error:
            assert error.type not in ("NoSuchMethod", "NoSuchHost")


def test_a_host_that_is_not_of_them_is_not_reached(hosts: Hosts) -> None:
    with pytest.raises(HostUnreachable):
        hosts.ask("guests", "three")
