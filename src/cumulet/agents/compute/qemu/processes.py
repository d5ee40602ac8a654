"""QEMU processes: started, found again, asked and ended. Nothing here is remembered but in the guest's directory."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cumulet.agents.compute.qemu import command
from cumulet.agents.compute.qemu.monitor import Monitor, MonitorError, MonitorGone, is_socket
from cumulet.agents.compute.run import UNPRIVILEGED, CommandFailed
from cumulet.agents.ending import end, end_of
from cumulet.agents.network import netns

_START_S: Final = 60.0
_QUESTION_S: Final = 5.0
_ASK_AGAIN_S: Final = 8.0
_OBEYS_S: Final = 2.0
_GONE_S: Final = 10.0
_children: list[subprocess.Popen[bytes]] = []


def pid_of(directory: Path) -> int | None:
    """The process of the guest in this directory, None when it does not run. A number that is another's by now is none.

    QEMU is started in the directory and stays there, which no other process of this name does.
    """
    try:
        pid = int((directory / command.PID).read_text())
        at = Path(f"/proc/{pid}/cwd").readlink()
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except (OSError, ValueError, IndexError):
        return None
    return pid if at == directory.resolve() and b"qemu" in program else None


def start(
    directory: Path, arguments: Sequence[str], namespace: str | None = None, *, pass_fds: Sequence[int] = ()
) -> None:
    """Start it and wait until it takes commands. Raises CommandFailed with what QEMU said.

    It is in a session of its own, so that it outlives this process. QEMU's own way to detach needs system calls that
    its sandbox forbids.
    """
    for name in (command.MONITOR, command.QUERIES, command.SERIAL, command.SCREEN, command.AGENT, command.PID):
        (directory / name).unlink(missing_ok=True)
    bury()
    with netns.inside(namespace), (directory / command.LOG).open("wb") as said:
        child = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            [*UNPRIVILEGED, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=directory,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    _children.append(child)
    deadline = time.monotonic() + _START_S
    while not is_socket(directory / command.QUERIES):
        if child.poll() is not None:
            raise CommandFailed(f"QEMU did not start: {_last_words(directory) or f'status {child.returncode}'}")
        if time.monotonic() > deadline:
            child.kill()
            raise CommandFailed(f"QEMU does not take commands after {_START_S:.0f} s")
        time.sleep(0.01)


def bury() -> None:
    """Let go of machines that ended; those of an earlier agent are not its children."""
    _children[:] = [child for child in _children if child.poll() is None]


def _last_words(directory: Path) -> str:
    lines = (directory / command.LOG).read_text(errors="replace").strip().splitlines()
    return "; ".join(lines[-3:])


def monitor(directory: Path, *, timeout_s: float = 30.0) -> Monitor:
    return Monitor(directory / command.MONITOR, timeout_s=timeout_s)


def questions(directory: Path) -> Monitor:
    """For what must not wait until the other connection is free."""
    return Monitor(directory / command.QUERIES, timeout_s=_QUESTION_S)


def status(directory: Path) -> str | None:
    """QEMU's run state (running, paused, inmigrate, …), None when it does not run."""
    if pid_of(directory) is None:
        return None
    try:
        with questions(directory) as monitor:
            return str(monitor.ask("query-status")["status"])
    except (MonitorGone, TimeoutError):
        return None if pid_of(directory) is None else "busy"


def kill(directory: Path) -> None:
    """End it without asking the guest; what it wrote and flushed is on its disks. Nothing to end is right too."""
    pid = pid_of(directory)
    if pid is None:
        return
    with contextlib.suppress(MonitorError, MonitorGone, TimeoutError), end_of(pid) as ended:
        with questions(directory) as monitor:
            monitor.ask("quit")
        if ended(_OBEYS_S):
            return
    if not end(pid, (signal.SIGTERM, _OBEYS_S), (signal.SIGKILL, _GONE_S)):
        raise CommandFailed(f"the virtual machine (pid {pid}) cannot be ended")


def power_down(directory: Path, within_s: float) -> bool:
    """Press the power button, again now and then for a guest that is still starting. Whether it went off in time."""
    pid = pid_of(directory)
    if pid is None:
        return True
    deadline = time.monotonic() + within_s
    with end_of(pid) as ended:
        while time.monotonic() < deadline:
            try:
                with monitor(directory) as connection:
                    connection.ask("system_powerdown")
            except (MonitorGone, MonitorError, TimeoutError):
                return ended(_OBEYS_S)
            if ended(min(_ASK_AGAIN_S, max(0.1, deadline - time.monotonic()))):
                return True
        return ended(0)
