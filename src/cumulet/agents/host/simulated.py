"""Simulated hosts: no root, no hypervisor, no devices; the same agents on drivers that act on dictionaries."""

from __future__ import annotations

import contextlib
import functools
import os
from collections import deque
from collections.abc import Set
from pathlib import Path
from typing import Any, Literal

from cumulet.agents.compute import options as compute_options
from cumulet.agents.compute.agent import Agent as ComputeAgent
from cumulet.agents.compute.protocols import Resources
from cumulet.agents.host.compute import ComputePart
from cumulet.agents.host.network import NetworkPart
from cumulet.agents.host.parts import Part
from cumulet.agents.host.volume import simulated_volume_part
from cumulet.agents.network import names
from cumulet.agents.network.agent import NetworkAgent
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.watch import Event
from cumulet.kernel.bus import Bus
from cumulet.kernel.settings import Settings
from cumulet.simulator.compute import SimulatedHypervisor
from cumulet.simulator.host_resources import default_resources
from cumulet.simulator.images import inspector, uploader
from cumulet.simulator.network import SimulatedHost, simulated_drivers


class AnyInterface(dict[str, str]):
    """A simulated host has an interface for every physical network."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, "sim0")


class SimulatedWatch:
    """Tells of simulated devices as `agents.network.watch.LinkWatch` does of real ones."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._events: deque[Event] = deque()

    def tell(self, what: Literal["new", "gone"], devices: set[str]) -> None:
        self._events.extend((what, device) for device in sorted(devices))
        with contextlib.suppress(BlockingIOError):  # full of wake-ups already
            os.write(self._write, b"x")

    def fileno(self) -> int:
        return self._read

    def events(self) -> list[Event]:
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)
        return [self._events.popleft() for _ in range(len(self._events))]

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class PluggedHypervisor(SimulatedHypervisor):
    """A hypervisor whose guests have tap devices on the simulated host, so that the network agent finds and wires
    them."""

    def __init__(self, host: SimulatedHost, watch: SimulatedWatch, **rest: Any) -> None:
        self._host = host
        self._watch = watch
        self._taps: set[str] = set()
        super().__init__(**rest)
        self._wire()

    def _save(self) -> None:
        super()._save()
        self._wire()

    def _wire(self) -> None:
        """Have a tap there for each port of a guest, and no other."""
        with self._host.lock:
            wanted = {names.tap(port) for port in self.ports()}
            new, gone = wanted - self._taps, self._taps - wanted
            self._taps = wanted
            self._host.external_devices |= new
            self._host.external_devices -= gone
        if new:
            self._watch.tell("new", new)
        if gone:
            self._watch.tell("gone", gone)


def simulated_parts(bus: Bus, host: str, folder: Path, kinds: Set[str], settings: Settings | None = None) -> list[Part]:
    """The agents of `kinds` of one simulated host; what outlives a restart is in `folder`.

    With `settings` they reach the cloud's Image service.
    """
    simulated, watch = SimulatedHost(), SimulatedWatch()
    parts: list[Part] = []
    if "network" in kinds:
        config = AgentConfig(
            host=host,
            state_dir=folder / host,
            local_ip=_tunnel_address(host),
            physical_interface_mappings=AnyInterface({"*": "sim0"}),
        )
        parts.append(NetworkPart(bus, NetworkAgent(config, simulated_drivers(simulated)), watch=lambda: watch))
    if "compute" in kinds:
        hypervisor = PluggedHypervisor(
            simulated,
            watch,
            resources=None if settings is None else _as_configured(settings),
            inspect=None if settings is None else inspector(settings),
            file=folder / f"{host}.json",
            upload=None if settings is None else uploader(settings),
        )
        parts.append(ComputePart(bus, functools.partial(ComputeAgent, hypervisors={host: hypervisor})))
    if "volume" in kinds:
        parts.append(simulated_volume_part(bus, host, folder))
    return parts


def _as_configured(settings: Settings) -> Resources:
    """A simulated host sets processors aside as a real one does."""
    conf = compute_options.read(settings.files_of("nova"))
    return default_resources(dedicated=conf.compute.cpu_dedicated_set or "")


def _tunnel_address(host: str) -> str:
    """An end point that no real host has (RFC 5737 leaves 192.0.2.0/24 to examples), a different one each host."""
    return f"192.0.2.{sum(host.encode()) % 254 + 1}"
