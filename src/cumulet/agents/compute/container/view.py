"""What a container sees in /proc and /sys of processors, memory and disks: its own, not the host's.

Files in the guest's directory below `view/`, which its keeper mounts over the kernel's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cumulet.agents.compute.container import memory_view

_VIEW: Final = "view"
_QUEUE: Final = {"rotational": 0, "logical_block_size": 512, "physical_block_size": 512, "discard_granularity": 4096}
_SERIAL: Final = 20
"""Characters of a serial number, which ends without a new line: both as virtio disks have it."""


class Shown(NamedTuple):
    """A disk as the container has it: `vdb` is device `major:minor` of the host. `size` in bytes."""

    name: str
    major: int
    minor: int
    size: int
    readonly: bool
    serial: str = ""


def make(directory: Path, processors: Sequence[int], memory_mb: int, memory_used: str) -> None:
    """The whole view, without disks yet."""
    view = directory / _VIEW
    shutil.rmtree(view, ignore_errors=True)
    for folder in (view, view / "block", view / "numbers"):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask
    _write(view / "cpuinfo", _cpuinfo(Path("/proc/cpuinfo").read_text(), processors))
    _write(view / "swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
    _write(view / "meminfo", "")
    memory_view.write(view / "meminfo", memory_mb, memory_used)
    show_disks(directory, [])


def _cpuinfo(text: str, processors: Sequence[int]) -> str:
    blocks: list[str] = []
    for block in text.strip().split("\n\n"):
        first, _, rest = block.partition("\n")
        if int(first.partition(":")[2] or -1) in processors:
            blocks.append(f"processor\t: {len(blocks)}\n{rest}\n")
    return "\n".join(blocks) + "\n"


def show_disks(directory: Path, disks: Iterable[Shown]) -> None:
    """/proc/partitions, /sys/block and /sys/dev/block. Files are changed in place: they are mounted."""
    view, kept = directory / _VIEW, set()
    lines = ["major minor  #blocks  name", ""]
    for disk in disks:
        lines.append(f"{disk.major:4}  {disk.minor:7} {disk.size // 1024:10} {disk.name}")
        _show(view / "block" / disk.name, disk)
        link = view / "numbers" / f"{disk.major}:{disk.minor}"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../block/{disk.name}")
        kept |= {disk.name, link.name}
    for entry in [*(view / "block").iterdir(), *(view / "numbers").iterdir()]:
        if entry.name not in kept:
            entry.unlink() if entry.is_symlink() else shutil.rmtree(entry)
    _write(view / "partitions", "\n".join(lines) + "\n")


def _show(folder: Path, disk: Shown) -> None:
    (folder / "queue").mkdir(parents=True, exist_ok=True)
    for made in (folder, folder / "queue"):
        made.chmod(0o755)
    facts = {"dev": f"{disk.major}:{disk.minor}", "size": disk.size // 512, "ro": int(disk.readonly), "removable": 0}
    facts |= {"range": 1, "ext_range": 1, "hidden": 0}
    facts["uevent"] = f"MAJOR={disk.major}\nMINOR={disk.minor}\nDEVNAME={disk.name}\nDEVTYPE=disk"
    for name, value in [*facts.items(), *((f"queue/{name}", value) for name, value in _QUEUE.items())]:
        _write(folder / name, f"{value}\n")
    _write(folder / "serial", disk.serial[:_SERIAL])


def _write(file: Path, text: str) -> None:
    with file.open("r+" if file.exists() else "w") as shown:
        shown.write(text)
        shown.truncate()
    file.chmod(0o444)
