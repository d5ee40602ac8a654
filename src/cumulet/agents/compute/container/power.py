"""Power of a container: on, off, frozen, and everything of it on the host taken away."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.compute import processor_time
from cumulet.agents.compute.container import cards, cgroups, devices, loops, processes, view
from cumulet.agents.compute.folders import Record, boot_id
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.qemu.power import SERVED_S
from cumulet.agents.compute.run import CommandFailed

RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7
AT_REST: Final = "at rest"


def state_of(directory: Path, record: Record) -> int:
    if processes.keeper_of(directory) is None:
        return SHUTDOWN
    if not cgroups.is_frozen(record.id):
        return RUNNING
    return SUSPENDED if record.wanted == "suspended" else PAUSED


def wish(host: Host, record: Record, wanted: str) -> None:
    record.wanted, record.boot_id = wanted, boot_id()
    host.folders.save(record)


def on(host: Host, record: Record, *, again: bool = False) -> None:
    """Run it; one that is suspended goes on, one that runs stays as it is.

    `again`: it is to run since before the host's start. Its record is of that time until it runs, so that whoever looks
    next knows. Raises NotServed while what serves its volumes is not there.
    """
    directory = host.folders.of(record.id)
    suspended = record.wanted == "suspended"
    if not again:
        wish(host, record, "running")
    if processes.keeper_of(directory) is not None:
        if suspended:
            cgroups.freeze(record.id, False)
    else:
        volumes.await_served(record.drives, host.config.host_namespace, within_s=0.0 if again else SERVED_S)
        _begin(host, record, directory)
    if again:
        wish(host, record, "running")


def _begin(host: Host, record: Record, directory: Path) -> None:
    try:
        _start(directory, record, host.config.host_namespace)
    except BaseException:
        end(host, record)
        raise


def _start(directory: Path, record: Record, namespace: str | None) -> None:
    flavor = record.guest.flavor
    memory_mb, vcpus, time = int(flavor["ram"]), int(flavor["vcpus"]), processor_time.of_flavor(flavor)
    for drive in record.drives:
        devices.plug(directory, drive, namespace)
    disks = devices.shown(directory, record)
    processors = cgroups.choose_processors(record.id, vcpus)
    used = str(cgroups.memory_file(record.id))
    view.make(directory, processors, memory_mb, used)
    view.show_disks(directory, disks)
    wanted = {
        "hostname": record.guest.hostname,
        "first_id": processes.first_id(record.guest.number),
        "ids": processes.IDS,
        "memory_mb": memory_mb,
        "memory_used": used,
        "root": str(devices.root_of(directory, record)),
        # Where nothing keeps a container from writing to the disk it is mounted from, it does not get that device.
        "disks": [disk[:3] for disk in (disks if cgroups.lists_devices() else disks[1:])],
    }
    (directory / "container.json").write_bytes(msgspec.json.encode(wanted))
    keeper = processes.launch(directory)
    try:
        cgroups.make(record.id, memory_mb=memory_mb, processors=processors, vcpus=vcpus, pid=keeper.pid, time=time)
        for minor, what in devices.allowed(disks).items():
            cgroups.allow(record.id, loops.MAJOR, minor, what)
        for card in record.cards:
            cards.plug(namespace, card, inside(directory), f"eth{card.slot}")
        processes.go(directory, keeper)
    except BaseException:
        processes.end(keeper)
        raise


def inside(directory: Path) -> Path:
    """A running container's network namespace."""
    return Path("/proc", (directory / "holder").read_text(), "ns", "net")


def off(host: Host, record: Record, *, within_s: float) -> None:
    """Ask it to shut down, and end it when it does not in time."""
    directory = host.folders.of(record.id)
    wish(host, record, "stopped")
    if within_s:
        cgroups.freeze(record.id, False)
        processes.ask(directory, signal.SIGUSR2)
        processes.ended(directory, within_s)
    end(host, record)


def end(host: Host, record: Record) -> None:
    """Nothing of it is left on the host but its directory. Raises CommandFailed when a disk is not let go of."""
    directory = host.folders.of(record.id)
    processes.kill(directory, record.id)
    for card in record.cards:
        cards.unplug(host.config.host_namespace, card)
    devices.unplug_all(directory, record)


def release(host: Host, record: Record, bound: dict[str, int]) -> None:
    """A container that shut itself down has its disks still plugged: they are let go of."""
    directory = host.folders.of(record.id)
    if processes.keeper_of(directory) is None and devices.is_plugged(directory, record, bound):
        with contextlib.suppress(CommandFailed):  # tried again with the next report
            end(host, record)
