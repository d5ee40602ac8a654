"""Starting a supervisor as a process of its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cumulet.kernel.settings import Settings

# Variables a supervisor is given; everything else of the caller's shell (OS_PASSWORD …) stays there.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "SSL_CERT_FILE",
    "PYTHONDONTWRITEBYTECODE",
)
_KEPT_PREFIXES = ("XDG_", "CUMULET_")
_LAST_LINES = 12


class StartFailed(Exception):
    """The supervisor ended, or reported that it cannot start. The message is a sentence for the operator."""


class AlreadyRunning(StartFailed):
    """Somebody else started this cloud in the meantime."""


class Report(msgspec.Struct, omit_defaults=True):
    """One line from the supervisor while it starts. `step` is what it does now."""

    step: str = ""
    ready: bool = False
    failed: str | None = None
    already_running: bool = False


@dataclass
class Launched:
    """A supervisor that was started. `lifeline` is held open by a foreground `up`: when it closes, the cloud ends."""

    process: subprocess.Popen[bytes]
    reports: int
    lifeline: int | None
    console: Path  # what the processes print

    def wait_ready(self, *, silence_s: float = 120.0, on_step: Callable[[str], None] | None = None) -> None:
        """Return when every API answers. Raises StartFailed, also when nothing was heard for `silence_s`.

        The whole start has no limit: the tables of all services take minutes where disks and processors are busy.
        """
        buffer = b""
        try:
            while True:
                if not select.select([self.reports], [], [], silence_s)[0]:
                    raise StartFailed(f"the supervisor has not said for {silence_s:.0f} s what it does")
                data = os.read(self.reports, 65536)
                if not data:
                    raise StartFailed(f"the supervisor ended before the cloud was ready.\n{self._last_words()}")
                buffer += data
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    report = msgspec.json.decode(line, type=Report)
                    if report.already_running:
                        raise AlreadyRunning("the cloud is already running")
                    if report.failed is not None:
                        raise StartFailed(report.failed)
                    if report.ready:
                        return
                    if on_step is not None:
                        on_step(report.step)
        finally:
            os.close(self.reports)

    def _last_words(self) -> str:
        lines = self.console.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(lines)


def launch(settings: Settings, *, foreground: bool = False) -> Launched:
    """Start the supervisor of the cloud whose settings are saved. It tells of its start through a pipe."""
    read_reports, write_reports = os.pipe()
    passed = [write_reports]
    command = [sys.executable, "-m", "cumulet.processes.supervisor", "--reports", str(write_reports)]
    if settings.state_dir is not None:
        command += ["--state-dir", settings.state_dir]
    read_life = write_life = None
    if foreground:
        read_life, write_life = os.pipe()
        passed.append(read_life)
        command += ["--lifeline", str(read_life)]
    console = settings.paths.logs / "console.log"
    log = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - this package's own module under this interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(settings),
            pass_fds=passed,
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(log)
        for descriptor in passed:
            os.close(descriptor)
    return Launched(process, read_reports, write_life, console)


def _environment(settings: Settings) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith(_KEPT_PREFIXES)}
    return {
        **kept,
        "MALLOC_ARENA_MAX": "2",  # glibc gives every thread an arena of its own otherwise, for no speed of ours
        "PROMETHEUS_MULTIPROC_DIR": str(settings.paths.run / "metrics"),
    }
