"""Daemons in namespaces that outlive this process: dnsmasq, radvd, keepalived, the metadata proxy.

A daemon is found by its pid file, and believed only if the process has the daemon's token (a path nobody else's command
line has) among its arguments and is in the right namespace. So an agent that was killed finds its daemons again, and a
pid that was given to somebody else in the meantime is left alone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from cumulet.agents.network import netns

START_SECONDS = 10
STOP_SECONDS = 3

_PROC = Path("/proc")


class DaemonFailed(Exception):
    """A daemon did not start; the text is what it said."""


class Daemon(Struct, frozen=True):
    """`argv` is a list of arguments, never given to a shell; the daemon goes into the background by itself."""

    name: str
    namespace: str | None
    argv: tuple[str, ...]
    pid_file: Path
    token: str


def running(daemon: Daemon) -> int | None:
    """The daemon's pid, if it runs in its namespace."""
    pid = _pid_in(daemon.pid_file)
    if pid is None or daemon.token not in _arguments(pid):
        return None
    return pid if _namespace_of(pid) == netns.identity(daemon.namespace) else None


def start(daemon: Daemon) -> None:
    """Start it in its namespace and wait until it is in the background. DaemonFailed with its words if it does not."""
    stop(daemon.pid_file, daemon.token)  # one of an older namespace of that name
    try:
        with netns.inside(daemon.namespace):
            done = subprocess.run(  # noqa: S603  a list of arguments of our own making
                daemon.argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=START_SECONDS,
                cwd="/",
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
                check=False,
            )
    except FileNotFoundError as error:
        raise DaemonFailed(f"{daemon.argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise DaemonFailed(f"{daemon.name} did not go into the background within {START_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise DaemonFailed(f"{daemon.name} ended with {done.returncode}: {said[-500:]}")


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(pid_file: Path, token: str) -> bool:
    """End the daemon that the pid file names, whatever namespace it is in; True if there was one."""
    pid = _pid_in(pid_file)
    found = pid is not None and token in _arguments(pid)
    if found and pid is not None:
        end(pid)
    pid_file.unlink(missing_ok=True)
    return found


def end(pid: int) -> None:
    """SIGTERM, and SIGKILL if that is not enough."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], STOP_SECONDS)[0]:
                break
    finally:
        os.close(descriptor)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def with_argument_below(directory: Path) -> list[int]:
    """Processes with an argument that is a path below `directory`: all daemons of an agent, pid files or not."""
    prefix = str(directory) + "/"
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and any(prefix in argument for argument in _arguments(int(entry.name))):
            found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def _pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _arguments(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _namespace_of(pid: int) -> int | None:
    try:
        return (_PROC / str(pid) / "ns" / "net").stat().st_ino
    except OSError:
        return None


def has_argument(pid: int, argument: str) -> bool:
    return argument in _arguments(pid)
