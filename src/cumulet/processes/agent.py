"""The agents of simulated hosts, in one process: they have the bus and no database."""

from __future__ import annotations

import signal
import threading

from cumulet.agents.compute.agent import Agent
from cumulet.kernel import config, logs, metrics
from cumulet.kernel.bus import make_bus
from cumulet.kernel.settings import Settings
from cumulet.processes import lifeline
from cumulet.processes.child import Announce
from cumulet.simulator.compute import SimulatedHypervisor

HOSTS = ("simulated-1", "simulated-2")


def run(settings: Settings, role: str, life: int, announce: Announce) -> None:
    logs.start(role, settings.paths.logs)
    metrics.identify(role)
    lifeline.watch(life, settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    conf = config.load("nova", settings.files_of("nova"))
    folder = settings.paths.state / "simulated"
    folder.mkdir(mode=0o700, exist_ok=True)
    bus = make_bus(conf.transport_url, settings.paths.run / "bus")
    agent = Agent(bus, {host: SimulatedHypervisor(file=folder / f"{host}.json") for host in HOSTS})
    announce.ready()
    agent.run(stop)
    bus.close()
