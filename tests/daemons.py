"""Real servers for tests: started on free ports below a temporary directory, and gone when the tests are.

A server dies with the process that runs the tests, even when that is killed, and never runs as root where it refuses.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_GUARD = Path(__file__).with_name("guard.py")


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 4 << 30


def _scratch_base() -> Path:
    """Memory, where there is plenty: what tests make need not outlive the machine, and syncing it to a disk is what
    tests of databases would wait for most. TMPDIR is heeded where it is set."""
    with contextlib.suppress(OSError):
        if (
            "TMPDIR" not in os.environ
            and os.access(_MEMORY, os.W_OK)
            and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES
        ):
            return _MEMORY
    return Path(tempfile.gettempdir())


def scratch_directory(name: str, account: str | None) -> Path:
    """A temporary directory that `account` owns and can reach, whatever TMPDIR says.

    It is removed when the tests end at the latest.
    """
    base = _scratch_base()
    if account is not None and not all(parent.stat().st_mode & 0o001 for parent in (base, *base.parents)):
        base = Path("/tmp")
    directory = Path(tempfile.mkdtemp(prefix=f"cumulet-{name}-", dir=base))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if account is not None:
        shutil.chown(directory, account)
    return directory


def account_for(name: str) -> str | None:
    """The system account a server has to run as: `name` for root, ourselves (None) otherwise."""
    if os.geteuid() != 0:
        return None
    pwd.getpwnam(name)
    return name


class Daemon:
    """One server process with its children; its output is in `<directory>/<name>.log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        directory: Path,
        *,
        account: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = [os.fspath(word) for word in command]
        self._directory = directory
        self._account = account
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool], timeout_s: float = 60.0) -> None:
        guard = [sys.executable, "-S", str(_GUARD), self._account or "-"]
        with self.log.open("ab") as log_file:
            self._process = subprocess.Popen(
                [*guard, *self._command],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,
            )
        end = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def stop(self, timeout_s: float = 20.0, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask the server to end; what is left of it afterwards is killed."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop within %s s and is killed", self.name, timeout_s)
        self.kill()

    def kill(self) -> None:
        """`kill -9` for the server and everything it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # all gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
