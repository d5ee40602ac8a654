"""A container's root disk, as it is at one moment, as an image."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cumulet.agents.compute.container import disks, processes
from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu.host import Host
from cumulet.agents.compute.run import image_tool

_FREEZE, _THAW = 0xC0045877, 0xC0045878
_FORMATS: Final = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}


def take(host: Host, record: Record, image_id: str) -> None:
    shown = host.images.show(image_id)
    if shown.get("status") == "active":
        return
    directory = host.folders.of(record.id)
    if not (directory / disks.ROOT).exists():
        raise ValueError("the container has no root disk of its own to take a snapshot of")
    kind = str(shown.get("disk_format") or "qcow2")
    if kind not in _FORMATS:
        kind = "qcow2"
    copy, ready = directory / ".snapshot.part", directory / f"snapshot.{kind}"
    try:
        with _still(directory):
            disks.copy(directory / disks.ROOT, copy)
        image_tool("convert", "-f", "raw", "-O", _FORMATS[kind], copy, ready)
        host.images.service.write(image_id, ready, disk_format=kind)
    finally:
        copy.unlink(missing_ok=True)
        ready.unlink(missing_ok=True)


@contextlib.contextmanager
def _still(directory: Path) -> Iterator[None]:
    """Nothing is written to the root meanwhile, and everything that was is on the disk."""
    pid = processes.keeper_of(directory)
    if pid is None:
        yield
        return
    with _root(directory, pid) as root:
        fcntl.ioctl(root, _FREEZE, 0)
        try:
            yield
        finally:
            fcntl.ioctl(root, _THAW, 0)


@contextlib.contextmanager
def _root(directory: Path, pid: int) -> Iterator[int]:
    """Its root file system, as its keeper sees it."""
    path = f"/proc/{pid}/root{directory.resolve()}/rootfs"
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def thaw(directory: Path) -> None:
    """What an agent that was killed amid a snapshot has left still."""
    pid = processes.keeper_of(directory)
    if pid is None:
        return
    with contextlib.suppress(OSError), _root(directory, pid) as root:  # it was not still, or has just ended
        fcntl.ioctl(root, _THAW, 0)
