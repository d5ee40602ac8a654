"""A fleet of simulated hosts as a process: on the cloud's bus, with its images, until it is stopped."""

from __future__ import annotations

import threading
from pathlib import Path

from cumulet.agents.compute.protocols import Resources
from cumulet.kernel import config
from cumulet.kernel.bus import make_bus
from cumulet.kernel.settings import Settings
from cumulet.simulator.faults import Faults
from cumulet.simulator.fleet import Fleet, names_of
from cumulet.simulator.images import inspector, uploader
from cumulet.simulator.reporting import Reporter


class Simulation:
    """`hosts` hosts of `size` (vcpus, memory in MB, disk in GB). What outlives it is in the state directory."""

    def __init__(
        self,
        settings: Settings,
        hosts: int,
        *,
        prefix: str,
        faults: Faults,
        resources: Resources,
        bus_dir: Path | None = None,
    ) -> None:
        conf = config.load("nova", settings.files_of("nova"))
        self._bus = make_bus(conf.transport_url, bus_dir or settings.paths.run / "bus")
        self._before_kb = resident_kb()
        folder = settings.paths.state / "simulated" / "fleet"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        has_images = (settings.paths.keys / "passwords.json").exists()
        self._fleet = Fleet(
            names_of(hosts, prefix),
            resources=resources,
            faults=faults,
            folder=folder,
            upload=uploader(settings) if has_images else None,
            inspect=inspector(settings) if has_images else None,
        )
        self._reporter = Reporter(self._bus, self._fleet, kinds=_kinds(settings))

    @property
    def entered(self) -> int:
        """How many hosts the cloud knows."""
        return self._reporter.entered

    @property
    def memory_kb(self) -> int:
        """What the hosts have added to this process."""
        return resident_kb() - self._before_kb

    def run(self, stop: threading.Event) -> None:
        """Serve and report until `stop` is set. A thread that ends by an error ends all."""
        ready = threading.Event()
        server = threading.Thread(target=self._serve, args=(stop, ready), name="bus", daemon=True)
        server.start()
        try:
            while not stop.is_set() and not ready.wait(0.1):
                pass
            self._reporter.run(stop)
        finally:
            stop.set()
            server.join()
            self._bus.close()

    def _serve(self, stop: threading.Event, ready: threading.Event) -> None:
        try:
            self._bus.serve(list(self._fleet.hypervisors), self._fleet.methods(self._bus), stop, ready=ready)
        finally:
            stop.set()


def resident_kb() -> int:
    """What this process holds in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def _kinds(settings: Settings) -> list[str]:
    """The services that hosts report to, of those that this cloud has; all where they were not chosen."""
    return [kind for kind in ("compute", "network") if not settings.services or kind in settings.services]
