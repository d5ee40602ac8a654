"""What an agent process does, whoever started it."""

from __future__ import annotations

import threading
from collections.abc import Set
from pathlib import Path
from typing import Final

from oslo_config import cfg

from cumulet.agents.host import real, volume, wiring
from cumulet.agents.host.compute import ComputePart
from cumulet.agents.host.parts import Hosts, Part
from cumulet.kernel import config, structs
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
    bus_dir: Path | None = None,
) -> None:
    """Be the agents of `kinds` for these hosts (by default this machine, or the simulated ones) until `stop` is set.

    `bus_dir` is where a cloud on this machine has its sockets, when it is not the one of `settings`.
    """
    paths = settings.paths
    conf = config.load("neutron", settings.files_of("neutron"))
    bus = make_bus(conf.transport_url, bus_dir or paths.run / "bus")
    parts: dict[str, list[Part]] = {}
    try:
        if simulate:
            from cumulet.agents.host.simulated import simulated_parts

            folder = paths.state / "simulated"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            parts = {host: simulated_parts(bus, host, folder, kinds, settings) for host in hosts or SIMULATED}
        else:
            folder = _folder(settings)
            for host in hosts or (own_name(settings),):
                parts[host] = real.real_parts(bus, host, folder, settings, kinds)
            if "volume" in kinds:
                for host, others in parts.items():
                    disks = next((part.disks for part in others if isinstance(part, ComputePart)), None)
                    others.append(volume.volume_part(bus, host, settings, disks))
        structs.describe()
        Hosts(bus, parts).run(stop)
    finally:
        bus.close()


def leave(settings: Settings, host: str | None = None) -> None:
    """Take away what agents have made on this machine, whether or not they are still running. Needs root.

    What can still be told of a machine whose options are broken by now is told in the log.
    """
    folder = _folder(settings)
    real.leave_compute(host or own_name(settings), folder, settings)
    if wiring.is_in_use(folder):
        wiring.leave(real.network_config(settings, host or own_name(settings), folder))


def purge(settings: Settings) -> None:
    """After `leave`, when all that the cloud kept goes: what lies outside of its directory."""
    volume.purge(settings)
    wiring.purge(_folder(settings))


def own_name(settings: Settings) -> str:
    """This machine's name as a host: what neutron.conf calls it, or what it calls itself."""
    conf = config.load("neutron", settings.files_of("neutron"))
    conf.register_opt(cfg.StrOpt("host"))
    return conf.host or real.host_name()


def _folder(settings: Settings) -> Path:
    return settings.paths.state / "agents"
