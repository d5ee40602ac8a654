"""Containers' keepers: started, found again, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from cumulet.agents.compute.container import cgroups
from cumulet.agents.compute.run import CommandFailed

LOG: Final = "keeper.log"
IDS: Final = 65536
_FIRST: Final = 1_000_000
_MOST_CONTAINERS: Final = 30_000
_KEEPER: Final = "cumulet.agents.compute.container.keeper"
_START_S: Final = 30.0
_children: list[subprocess.Popen[bytes]] = []


def first_id(number: int) -> int:
    """Where a container's users begin on the host: 65,536 ids of its own each."""
    return _FIRST + number % _MOST_CONTAINERS * IDS


def keeper_of(directory: Path) -> int | None:
    return _pid_in(directory, "pid", _KEEPER)


def init_of(directory: Path) -> int | None:
    """The container's first process, while its keeper lives."""
    if keeper_of(directory) is None:
        return None
    return _pid_in(directory, "init", None)


def _pid_in(directory: Path, name: str, program: str | None) -> int | None:
    """What a file says, if the process is there; a keeper is known by its command line, which names the directory."""
    try:
        pid = int((directory / name).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    if program is None:
        return pid
    return pid if program.encode() in words and str(directory).encode() in words else None


def environment() -> dict[str, str]:
    """Of programs of ours that stay: only where they find themselves and others."""
    return {"PYTHONPATH": str(Path(__file__).parents[4]), "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin")}


def launch(directory: Path) -> subprocess.Popen[bytes]:
    """A keeper, which has made the namespaces and waits. Raises CommandFailed with what it said."""
    bury()
    for name in ("pid", "init", "holder"):
        (directory / name).unlink(missing_ok=True)
    with (directory / LOG).open("wb") as said:
        keeper = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            [sys.executable, "-S", "-m", _KEEPER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment(),
            start_new_session=True,
        )
    _children.append(keeper)
    assert keeper.stdout is not None
    if keeper.stdout.readline().strip() != b"ready":
        end(keeper)
        raise CommandFailed(f"the container could not be made: {_last_words(directory)}")
    return keeper


def go(directory: Path, keeper: subprocess.Popen[bytes]) -> None:
    """Have it boot. Raises CommandFailed."""
    assert keeper.stdin is not None
    keeper.stdin.write(b"go\n")
    keeper.stdin.flush()
    deadline = time.monotonic() + _START_S
    while init_of(directory) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise CommandFailed(f"the container did not start: {_last_words(directory)}")
        time.sleep(0.01)
    _close(keeper)


def end(keeper: subprocess.Popen[bytes]) -> None:
    keeper.kill()
    keeper.wait()
    _close(keeper)


def _close(keeper: subprocess.Popen[bytes]) -> None:
    for pipe in (keeper.stdin, keeper.stdout):
        if pipe is not None:
            pipe.close()


def _last_words(directory: Path) -> str:
    lines = (directory / LOG).read_text(errors="replace").strip().splitlines()
    return "; ".join(lines[-3:])


def bury() -> None:
    """Let go of keepers that ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def ask(directory: Path, which: signal.Signals) -> None:
    """A signal to the container's first process."""
    pid = init_of(directory)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)


def ended(directory: Path, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while keeper_of(directory) is not None:
        if time.monotonic() > deadline:
            return False
        bury()
        time.sleep(0.02)
    return True


def kill(directory: Path, name: str) -> None:
    """End it: with its keeper goes everything, because the kernel was told so."""
    pid = keeper_of(directory)
    if pid is not None:
        cgroups.freeze(name, False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if not ended(directory, 10.0):
            raise CommandFailed(f"the container's keeper (pid {pid}) cannot be ended")
    cgroups.remove(name)
