"""What an agent process does, whoever started it."""

from __future__ import annotations

import threading
from collections.abc import Set
from typing import Final

from cumulet.agents.host.parts import Hosts, Part
from cumulet.agents.host.real import host_name, real_parts
from cumulet.agents.host.volume import volume_part
from cumulet.kernel import config
from cumulet.kernel.bus import make_bus
from cumulet.kernel.settings import Settings

KINDS: Final = frozenset({"network", "compute", "volume"})
"""The services that have agents."""
SIMULATED: Final = ("simulated-1", "simulated-2")
"""The hosts of a simulated cloud."""


def run(
    settings: Settings,
    stop: threading.Event,
    *,
    kinds: Set[str] = KINDS,
    hosts: tuple[str, ...] = (),
    simulate: bool = False,
) -> None:
    """Be the agents of `kinds` for these hosts (by default this machine, or the simulated ones) until `stop` is set."""
    paths = settings.paths
    conf = config.load("neutron", settings.files_of("neutron"))
    bus = make_bus(conf.transport_url, paths.run / "bus")
    parts: dict[str, list[Part]] = {}
    try:
        if simulate:
            from cumulet.agents.host.simulated import simulated_parts

            folder = paths.state / "simulated"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            parts = {host: simulated_parts(bus, host, folder, kinds, settings) for host in hosts or SIMULATED}
        else:
            parts = {host: real_parts(bus, host, paths.state / "agents", settings) for host in hosts or (host_name(),)}
            if "volume" in kinds:
                for host, others in parts.items():
                    others.append(volume_part(bus, host, settings))
        Hosts(bus, parts).run(stop)
    finally:
        bus.close()
