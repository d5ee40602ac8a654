"""The volume agent as a part of a host's process: the back ends of cinder.conf, or simulated ones."""

from __future__ import annotations

from pathlib import Path

from cumulet.agents.volume.agent import Agent
from cumulet.agents.volume.backups.repository import Repository
from cumulet.agents.volume.images import Images
from cumulet.agents.volume.protocols import OpenDisks
from cumulet.kernel.bus import Bus
from cumulet.kernel.settings import Settings
from cumulet.simulator.volume import SimulatedVolumes


def volume_part(bus: Bus, host: str, settings: Settings, disks: OpenDisks | None = None) -> Agent:
    """The back ends of this machine. `disks`: its hypervisor, where it can follow snapshots of attached volumes."""
    from cumulet.agents.volume import login, options

    conf = options.load(settings.files_of("cinder"))
    folder = _folder(settings)
    return Agent(
        bus,
        host,
        options.drivers_of(conf, host, folder, disks),
        images=Images(folder / "images"),
        backups=options.repository_of(conf, folder, lambda: login.session(settings, conf)),
        availability_zone=conf.storage_availability_zone,
    )


def purge(settings: Settings) -> None:
    """End what this machine serves of its volumes, which lies outside the cloud's directory where its path is long."""
    from cumulet.agents.volume import options

    folder = _folder(settings)
    if not folder.exists():
        return
    conf = options.load(settings.files_of("cinder"))
    for name in options.names_of(conf):
        options.exports_of(conf, name, folder).purge()


def _folder(settings: Settings) -> Path:
    return settings.paths.state / "volumes"


def simulated_volume_part(bus: Bus, host: str, folder: Path) -> Agent:
    """A simulated host's back end. All simulated hosts share their backups."""
    return Agent(
        bus,
        host,
        {"simulated": SimulatedVolumes(folder / f"{host}-volumes")},
        images=Images(folder / f"{host}-images"),
        backups=Repository(folder / "backups", algorithm="none"),
    )
