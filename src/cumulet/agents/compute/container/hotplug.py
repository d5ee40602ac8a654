"""Volumes of a container put in and taken out, also while it runs. The record says first what is to be there."""

from __future__ import annotations

from typing import Final

from cumulet.agents.compute.container import building, devices, exports, loops, processes, view
from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.protocols import Disk
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.compute.qemu.host import Host

GB: Final = 1 << 30


def attach_volume(host: Host, record: Record, disk: Disk) -> None:
    directory = host.folders.of(record.id)
    known = _drive(record, disk.volume_id) is not None
    drive = building.add_volume(record, disk)
    host.folders.save(record)
    if processes.keeper_of(directory) is None:
        return
    try:
        devices.plug(directory, drive, host.config.host_namespace)
        devices.show(directory, record, drive)
    except BaseException:
        if not known:
            devices.hide(directory, record, drive)
            devices.unplug(directory, drive)
            record.drives.remove(drive)
            host.folders.save(record)
            volumes.forget_keys(directory, drive)
        raise


def _drive(record: Record, volume_id: str) -> Drive | None:
    return next((one for one in record.drives if one.volume_id == volume_id), None)


def detach_volume(host: Host, record: Record, volume_id: str) -> None:
    """Where it is mounted it is unmounted. Raises CommandFailed while a process in the container has it open."""
    directory = host.folders.of(record.id)
    drive = _drive(record, volume_id)
    if drive is None:
        return
    running = processes.keeper_of(directory) is not None
    if running:
        if drive is record.drives[0]:
            raise ValueError("the root disk of a running container cannot be taken out")
        devices.hide(directory, record, drive)
    devices.unplug(directory, drive)
    record.drives.remove(drive)
    host.folders.save(record)
    volumes.forget_keys(directory, drive)


def extend_volume(host: Host, record: Record, volume_id: str, size_gb: int) -> None:
    """Tell a running container; one that is off finds out at its start."""
    directory = host.folders.of(record.id)
    drive = _drive(record, volume_id)
    if drive is None:
        raise ValueError(f"volume {volume_id} is not attached")
    number = loops.find(devices.name_of(directory, drive.id))
    if processes.keeper_of(directory) is None or number is None:
        return
    exports.grow(directory, drive, size_gb * GB)
    loops.grow(number)
    view.show_disks(directory, devices.shown(directory, record))
