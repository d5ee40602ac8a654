"""Thousands of simulated hosts in one process.

A host is a driver on a few dictionaries; it has no thread, no socket and no timer of its own. All of them answer at one
socket of the bus, under their own names and with the very methods of a real host's agent. Guests are kept in a file a
host, so that a fleet that was killed finds them again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.compute.agent import Agent
from cumulet.agents.compute.protocols import Resources
from cumulet.kernel.bus import Bus, Method
from cumulet.simulator.compute import Inspect, SimulatedHypervisor, Upload
from cumulet.simulator.faults import Faults
from cumulet.simulator.host_resources import default_resources

PLUGGED, UNPLUGGED = "ACTIVE", "DOWN"
_TRAITS: Final = (
    *("COMPUTE_ACCELERATORS", "COMPUTE_DEVICE_TAGGING", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_RESCUE_BFV"),
    *("COMPUTE_NODE", "COMPUTE_TRUSTED_CERTS", "COMPUTE_VOLUME_ATTACH_WITH_TAG", "COMPUTE_VOLUME_EXTEND"),
    *("COMPUTE_VOLUME_MULTI_ATTACH", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW"),
)


class FleetHypervisor(SimulatedHypervisor):
    """One host of a fleet, which it tells of every change of its guests."""

    def __init__(self, name: str, fleet: Fleet, **rest: Any) -> None:
        self._name = name
        self._fleet = fleet
        super().__init__(**rest)

    def _save(self) -> None:
        super()._save()
        self._fleet.changed(self._name)


class Changes(msgspec.Struct):
    """What became of a fleet since it was last asked. `ports`: statuses by host and port."""

    hosts: set[str] = msgspec.field(default_factory=set)
    ports: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class Fleet:
    """The hosts by name. `faults` are every host's; guests are kept in `folder`, if there is one."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        resources: Resources | None = None,
        faults: Faults | None = None,
        folder: Path | None = None,
        upload: Upload | None = None,
        inspect: Inspect | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._changes = Changes()
        self._plugged: dict[str, set[str]] = {}  # of hosts with ports
        self.faults = faults or Faults()
        given: dict[str, Any] = {"resources": resources or fleet_resources(), "faults": self.faults}
        given |= {"upload": upload, "inspect": inspect}
        kept = {file.stem for file in folder.glob("*.json")} if folder is not None else set()
        self.hypervisors: dict[str, FleetHypervisor] = {
            name: FleetHypervisor(name, self, file=None if folder is None else folder / f"{name}.json", **given)
            for name in names
        }
        for name in kept & self.hypervisors.keys():
            self.changed(name)

    def __len__(self) -> int:
        return len(self.hypervisors)

    def methods(self, bus: Bus) -> Mapping[str, Method]:
        """What the hosts answer to, whichever is meant: the methods of a real host's agent."""
        return Agent(bus, self.hypervisors).methods()

    def changed(self, name: str) -> None:
        """A host's guests are others, or are otherwise, now."""
        ports = self.hypervisors[name].ports()
        with self._lock:
            before = self._plugged.pop(name, set())
            if ports:
                self._plugged[name] = ports
            self._changes.hosts.add(name)
            if ports != before:
                news = self._changes.ports.setdefault(name, {})
                news.update(dict.fromkeys(before - ports, UNPLUGGED))
                news.update(dict.fromkeys(ports - before, PLUGGED))

    def take_changes(self) -> Changes:
        """What became of the fleet since the last time; it is forgotten here."""
        with self._lock:
            taken, self._changes = self._changes, Changes()
        return taken

    def give_back(self, changes: Changes) -> None:
        """Changes that nobody could be told. What came later stays."""
        with self._lock:
            self._changes.hosts |= changes.hosts
            for name, ports in changes.ports.items():
                self._changes.ports[name] = {**ports, **self._changes.ports.get(name, {})}

    def ports_of(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """What is plugged at these hosts, of those that have anything."""
        with self._lock:
            return {name: dict.fromkeys(self._plugged[name], PLUGGED) for name in names if name in self._plugged}

    def report_of(self, name: str) -> dict[str, Any]:
        """A host's report, as the agent of a real host sends it."""
        driver = self.hypervisors[name]
        resources = msgspec.structs.asdict(driver.resources())
        return {"host": name, "node": name, **resources, "guests": driver.guests()}


def fleet_resources(**given: Any) -> Resources:
    """A host as large as simulated ones are, but for what is given (`default_resources`)."""
    large = default_resources(**given)
    return msgspec.structs.replace(large, facts={**large.facts, "traits": sorted(_TRAITS)})


def names_of(count: int, prefix: str) -> list[str]:
    """`sim-00001` and so on: a name stays a host's own when there are more of them the next time."""
    return [f"{prefix}{number:05d}" for number in range(1, count + 1)]
