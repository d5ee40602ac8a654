"""What a container may use: memory, processors, processes, devices; a virtual machine's processor time.

Version 1 or 2, whichever the host has.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cumulet.agents.compute import processor_time
from cumulet.agents.compute.processor_time import ProcessorTime

_ROOT: Final = Path("/sys/fs/cgroup")
_PARENT: Final = "cumulet"
_CPUS: Final = "cpuset.cpus"
_PROCESSES: Final = 4096
_KINDS: Final = ("memory", "cpu", "pids", "freezer", "cpuset", "devices")
_DEVICES: Final = ("c 1:3 rw", "c 1:5 rw", "c 1:7 rw", "c 1:8 rw", "c 1:9 rw", "c 5:0 rw", "c 5:1 rw", "c 5:2 rw")
"""null, zero, full, random, urandom; tty, console, ptmx."""
_TERMINALS: Final = "c 136:* rw"


def groups(name: str) -> list[Path]:
    """The container's group in every hierarchy that limits something."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT / _PARENT / name]
    return [_ROOT / kind / _PARENT / name for kind in _KINDS if (_ROOT / kind).is_dir()]


def make(
    name: str,
    *,
    memory_mb: int,
    processors: Sequence[int],
    vcpus: int,
    pid: int,
    time: ProcessorTime = processor_time.UNLIMITED,
) -> None:
    """Have the groups, with these limits, and the process (with all that it starts from now on) in them."""
    for group in groups(name):
        group.mkdir(parents=True, exist_ok=True)
        _pass_on(group, "+memory +cpu +pids +cpuset")
        limit(group, memory_mb=memory_mb, vcpus=vcpus, time=time)
        _pin(group, processors)
        if (group / "devices.deny").exists():
            (group / "devices.deny").write_text("a")
            for line in (*_DEVICES, _TERMINALS):
                (group / "devices.allow").write_text(line)
        (group / "cgroup.procs").write_text(str(pid))


def hold(name: str, time: ProcessorTime, *, vcpus: int, pid: int) -> None:
    """Have a process, with all its threads, in a group that limits nothing but processor time. Raises ValueError on a
    host that cannot."""
    group = _group_of(name, "cpu")
    if group is None:
        raise ValueError("the flavor limits processor time (quota:cpu_…), and this host has no control groups for it")
    group.mkdir(parents=True, exist_ok=True)
    _pass_on(group, "+cpu")
    processor_time.limit(group, time, vcpus)
    (group / "cgroup.procs").write_text(str(pid))


def _pass_on(group: Path, kinds: str) -> None:
    """Have the groups above let this one limit these (version 2)."""
    if not (_ROOT / "cgroup.controllers").exists():
        return
    for above in (_ROOT, group.parent):
        with contextlib.suppress(OSError):
            (above / "cgroup.subtree_control").write_text(kinds)


def choose_processors(name: str, vcpus: int) -> list[int]:
    """As many of the host's as the flavor has, with the fewest other containers on them. All, when they are fewer."""
    there = sorted(os.sched_getaffinity(0))
    load = dict.fromkeys(there, 0)
    for others in _pinned(name):
        for number in others:
            if number in load:
                load[number] += 1
    return sorted(sorted(there, key=lambda number: (load[number], number))[:vcpus])


def _pinned(but: str) -> Iterator[list[int]]:
    group = _group_of(but, "cpuset")
    if group is None:
        return
    for other in group.parent.glob(f"*/{_CPUS}"):
        if other.parent.name != but:
            with contextlib.suppress(OSError, ValueError):  # it may go before our eyes
                yield _numbers(other.read_text())


def _group_of(name: str, kind: str) -> Path | None:
    """The one that limits this; in version 2 there is only one."""
    return next((one for one in groups(name) if kind in one.parts or (_ROOT / "cgroup.controllers").exists()), None)


def _numbers(text: str) -> list[int]:
    """`0-2,5` as numbers."""
    found: list[int] = []
    for word in text.strip().split(","):
        first, _, last = word.partition("-")
        if first:
            found += range(int(first), int(last or first) + 1)
    return found


def _pin(group: Path, processors: Sequence[int]) -> None:
    if not (group / _CPUS).exists():
        return
    for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 has nothing until it is said, and the groups above first
        if not (group / file).read_text().strip() and not (_ROOT / "cgroup.controllers").exists():
            for one in (group.parent, group):
                if not (one / file).read_text().strip():
                    (one / file).write_text((one.parent / file).read_text())
    (group / _CPUS).write_text(",".join(str(number) for number in processors))


def allow(name: str, major: int, minor: int, what: str) -> None:
    """A block device; `what`: r, rw. Nothing where the kernel has no list of devices (version 2)."""
    for group in groups(name):
        if (group / "devices.allow").exists():
            (group / "devices.allow").write_text(f"b {major}:{minor} {what}")


def forbid(name: str, major: int, minor: int) -> None:
    for group in groups(name):
        if (group / "devices.deny").exists():
            (group / "devices.deny").write_text(f"b {major}:{minor} rwm")


def lists_devices() -> bool:
    return (_ROOT / "devices").is_dir()


def memory_file(name: str) -> Path:
    """Where the kernel says how many bytes it uses."""
    if (_ROOT / "cgroup.controllers").exists():
        return _ROOT / _PARENT / name / "memory.current"
    return _ROOT / "memory" / _PARENT / name / "memory.usage_in_bytes"


def limit(group: Path, *, memory_mb: int, vcpus: int, time: ProcessorTime = processor_time.UNLIMITED) -> None:
    """Never more processor time than its processors have, whatever a flavor allows."""
    memory = str(memory_mb << 20)
    values = {"memory.limit_in_bytes": memory, "memory.max": memory, "pids.max": str(_PROCESSES)}
    for name, value in values.items():
        if (group / name).exists():
            (group / name).write_text(value)
    quota = min(time.quota_us or time.period_us, time.period_us)
    processor_time.limit(group, time._replace(quota_us=quota), vcpus)


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
