"""Who holds a lease, told so that a restarted engine on the same machine can see at once that the holder is dead."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path


def _machine() -> str:
    """This boot of this kernel and this process namespace: where process ids mean the same."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{boot}.{namespace[5:-1]}"


def _start_of(pid: int) -> str | None:
    """When the process started, in clock ticks after boot (field 22 of proc_pid_stat(5)); None if there is none.

    A zombie counts as dead: it runs nothing any more.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


class LeaseOwner:
    """Makes the tokens of one engine: `<host name>/<machine>/<pid>.<start>#<number>`, a new one for every claim."""

    def __init__(self) -> None:
        self._machine = _machine()
        pid = os.getpid()
        self._prefix = f"{socket.gethostname()[:64]}/{self._machine}/{pid}.{_start_of(pid)}"
        self._numbers = itertools.count(1)

    def token(self) -> str:
        return f"{self._prefix}#{next(self._numbers)}"

    def is_dead(self, token: str) -> bool:
        """Whether the engine that holds `token` surely runs no more. An engine on another machine is never judged."""
        parts = token.partition("#")[0].rsplit("/", 2)
        if len(parts) != 3 or parts[1] != self._machine:
            return False
        pid, _, start = parts[2].partition(".")
        return pid.isdigit() and _start_of(int(pid)) != start
