"""What a container may use: memory, processor time, processes. Version 1 or 2, whichever the host has."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_PARENT: Final = "cumulet"
_PERIOD: Final = 100_000  # microseconds
_PROCESSES: Final = 4096


def groups(name: str) -> list[Path]:
    """The container's group in every hierarchy that limits something."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT / _PARENT / name]
    return [_ROOT / kind / _PARENT / name for kind in ("memory", "cpu", "pids", "freezer") if (_ROOT / kind).is_dir()]


def make(name: str, *, memory_mb: int, vcpus: int, pid: int) -> None:
    """Have the groups, with these limits, and the process (with all that it starts from now on) in them."""
    for group in groups(name):
        group.mkdir(parents=True, exist_ok=True)
        if (_ROOT / "cgroup.controllers").exists():
            for above in (_ROOT, group.parent):
                with contextlib.suppress(OSError):
                    (above / "cgroup.subtree_control").write_text("+memory +cpu +pids")
        limit(group, memory_mb=memory_mb, vcpus=vcpus)
        (group / "cgroup.procs").write_text(str(pid))


def limit(group: Path, *, memory_mb: int, vcpus: int) -> None:
    memory, quota = str(memory_mb << 20), vcpus * _PERIOD
    values = {
        "memory.limit_in_bytes": memory,
        "memory.max": memory,
        "cpu.cfs_quota_us": str(quota),
        "cpu.max": f"{quota} {_PERIOD}",
        "pids.max": str(_PROCESSES),
    }
    for name, value in values.items():
        if (group / name).exists():
            (group / name).write_text(value)


def freeze(name: str, frozen: bool) -> None:
    for group in groups(name):
        if (group / "freezer.state").exists():
            (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        elif (group / "cgroup.freeze").exists():
            (group / "cgroup.freeze").write_text("1" if frozen else "0")


def is_frozen(name: str) -> bool:
    for group in groups(name):
        for file, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            if (group / file).exists():
                return (group / file).read_text().strip() != value
    return False


def processor_time_ns(name: str) -> int:
    for group in groups(name):
        if (group / "cpu.stat").exists() and "usage_usec" in (group / "cpu.stat").read_text():
            return int((group / "cpu.stat").read_text().split()[1]) * 1000
    return 0


def memory_used_mb(name: str) -> int:
    for group in groups(name):
        for file in ("memory.usage_in_bytes", "memory.current"):
            if (group / file).exists():
                return int((group / file).read_text()) >> 20
    return 0


def remove(name: str) -> None:
    """Once its processes are gone. A group empties a moment after its last process."""
    for group in groups(name):
        for _ in range(100):
            try:
                group.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)
            else:
                break
