"""A container's drives as block devices of the host: each a loop device over its file, or over its volume's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from cumulet.agents.compute.container import cgroups, exports, keeper, loops, processes, rootfs, view
from cumulet.agents.compute.folders import Drive, Record
from cumulet.agents.compute.run import CommandFailed

_PART: Final = "root partition"
_RELEASE_S: Final = 20.0
_UNMOUNT: Final = "cumulet.agents.compute.container.unmounting"


def name_of(directory: Path, what: str) -> str:
    """A loop device's name in the kernel."""
    return "cumulet-" + sha256(f"{directory.resolve()}/{what}".encode()).hexdigest()[:40]


def plug(directory: Path, drive: Drive, namespace: str | None) -> int:
    """Have the drive as a loop device: its number."""
    name = name_of(directory, drive.id)
    present = loops.find(name)
    if present is not None:
        return present
    if drive.volume_id is None:
        file = directory / str(drive.node["file"]["filename"])
    else:
        file = exports.serve(directory, drive, namespace)
    return loops.attach(file, name, readonly=bool(drive.node.get("read-only")))


def unplug(directory: Path, drive: Drive) -> None:
    """What was written is on the disk or volume when this returns. Raises CommandFailed while it is in use."""
    loops.detach(name_of(directory, drive.id))
    if drive.volume_id is not None:
        exports.end(directory, drive)


def unplug_all(directory: Path, record: Record) -> None:
    """Every drive, whatever trouble one makes: the first trouble is told."""
    failed: Exception | None = None
    loops.detach(name_of(directory, _PART))
    for drive in record.drives:
        try:
            unplug(directory, drive)
        except (CommandFailed, OSError) as error:
            failed = failed or error
    if failed is not None:
        raise failed


def is_plugged(directory: Path, record: Record, bound: dict[str, int]) -> bool:
    return any(name_of(directory, drive.id) in bound for drive in record.drives)


def root_of(directory: Path, record: Record) -> Path:
    """The device with the root file system: the first drive, or the partition of it that has one.

    Raises ValueError when there is none.
    """
    drive = record.drives[0]
    number = loops.find(name_of(directory, drive.id))
    if number is None:
        raise CommandFailed("the root disk is not there")
    if drive.volume_id is None:
        return loops.device(number)
    offset = rootfs.offset_of_root(loops.device(number))
    if not offset:
        return loops.device(number)
    return loops.device(loops.attach(loops.device(number), name_of(directory, _PART), offset=offset))


def shown(directory: Path, record: Record) -> list[view.Shown]:
    """The drives that are there, as the container sees them."""
    bound, found = loops.bound(), []
    for drive in record.drives:
        number = bound.get(name_of(directory, drive.id))
        if number is not None:
            readonly = bool(drive.node.get("read-only"))
            serial = drive.serial or (drive.volume_id or "")
            name = drive.device.removeprefix("/dev/")
            found.append(view.Shown(name, loops.MAJOR, number, loops.size(number), readonly, serial))
    return found


def allowed(disks: list[view.Shown]) -> dict[int, str]:
    """What the container may do with each device, by its number: the root disk itself is mounted, so it reads only.

    A device that cannot be written to says so by itself, which programs understand.
    """
    return {disk.minor: "rw" if number else "r" for number, disk in enumerate(disks)}


def show(directory: Path, record: Record, drive: Drive) -> None:
    """Have the drive's node in a running container."""
    disks = shown(directory, record)
    disk = next(one for one in disks if f"/dev/{one.name}" == drive.device)
    cgroups.allow(record.id, loops.MAJOR, disk.minor, "rw")
    view.show_disks(directory, disks)
    path = _node(directory, drive)
    path.unlink(missing_ok=True)
    first = processes.first_id(record.guest.number)
    keeper.node(path, stat.S_IFBLK | 0o660, os.makedev(loops.MAJOR, disk.minor), first)


def hide(directory: Path, record: Record, drive: Drive) -> None:
    """Take the drive out of a running container, where it is mounted too."""
    number = loops.find(name_of(directory, drive.id))
    _node(directory, drive).unlink(missing_ok=True)
    view.show_disks(directory, [disk for disk in shown(directory, record) if f"/dev/{disk.name}" != drive.device])
    if number is None:
        return
    cgroups.forbid(record.id, loops.MAJOR, number)
    init = processes.init_of(directory)
    if init is not None:
        command = [sys.executable, "-S", "-m", _UNMOUNT, str(init), f"{loops.MAJOR}:{number}"]
        subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command, env=processes.environment(), check=False, timeout=_RELEASE_S
        )


def _node(directory: Path, drive: Drive) -> Path:
    """Below the keeper's own mounts, where the container's /dev is."""
    pid = processes.keeper_of(directory)
    return Path(f"/proc/{pid}/root{directory.resolve()}/dev/{drive.device.removeprefix('/dev/')}")
