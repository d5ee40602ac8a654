"""What the supervisor says about its cloud, in a small file that `status`, `down` and an heir read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from cumulet.kernel.paths import Paths
from cumulet.processes.lock import SupervisorLock

STARTING, RUNNING, STOPPING, FAILED = "starting", "running", "stopping", "failed"


class Process(msgspec.Struct, kw_only=True):
    """One process of the cloud. `started` is the kernel's start time in clock ticks: with the pid it names one process
    for ever, where a pid alone may be another's by now."""

    pid: int
    role: str
    started: int
    ready: bool = False
    restarts: int = 0
    reason: str | None = None  # why it was last restarted

    @property
    def is_alive(self) -> bool:
        return start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal, if the process still is the one that was meant."""
        with contextlib.suppress(ProcessLookupError):
            if self.is_alive:
                os.kill(self.pid, number)


class Waiting(msgspec.Struct, kw_only=True):
    """A worker that died and will be started again; its place is empty now."""

    role: str
    restarts: int
    reason: str | None


class State(msgspec.Struct, kw_only=True):
    """The whole cloud as its supervisor last saw it."""

    supervisor: Process
    state: str
    since: float  # seconds since 1970
    foreground: bool = False
    message: str | None = None
    processes: list[Process] = []
    waiting: list[Waiting] = []

    def save(self, paths: Paths) -> None:
        file = state_file(paths)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(self))
        temporary.replace(file)

    @classmethod
    def load(cls, paths: Paths) -> State | None:
        try:
            return msgspec.json.decode(state_file(paths).read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def state_file(paths: Paths) -> Path:
    return paths.run / "state.json"


def lock(paths: Paths) -> SupervisorLock:
    return SupervisorLock(paths.run / "supervisor.lock")


def running(paths: Paths) -> State | None:
    """The state of the cloud that runs in these directories, None when there is none."""
    return State.load(paths) if lock(paths).is_held else None


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which a process was started, None for one that is gone (a zombie is gone)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def memory(pid: int) -> tuple[int, int]:
    """(RSS, PSS) in bytes; PSS counts a page shared by n processes as 1/n. Zeros for a process that is gone."""
    rss = pss = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            key, _, rest = line.partition(":")
            if key == "Rss":
                rss = int(rest.split()[0]) * 1024
            elif key == "Pss":
                pss = int(rest.split()[0]) * 1024
    return rss, pss
