"""One process the supervisor looks after: how it is forked, how it says that it is ready, when it is started again."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from cumulet.processes.state import Process, start_time

LOG = logging.getLogger(__name__)
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.05, 5.0
_REASON_BYTES = 4000


class Announce:
    """A worker's end of its pipe to the supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def ready(self) -> None:
        os.write(self._descriptor, b"R")

    def failed(self, reason: str) -> None:
        os.write(self._descriptor, b"E" + reason.encode()[-_REASON_BYTES:])


Body = Callable[[Announce], None]
"""What a forked process does; it exits when this returns."""


@dataclass
class Child:
    """A role's place: `body` runs in the forked process."""

    role: str
    body: Body
    pid: int | None = None
    pipe: int | None = None
    ready: bool = False
    restarts: int = 0
    reason: str | None = None
    start_at: float = 0.0  # monotonic; when it is due to be (re)started
    exit_code: int | None = None
    _started: float = 0.0
    _started_ticks: int = 0
    _false_starts: int = 0
    _said: bytes = field(default=b"", repr=False)

    def fork(self, close_in_child: Callable[[], None]) -> None:
        """Start the process. `close_in_child` drops what only the supervisor may hold."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(read)
                close_in_child()
                code = _live(self.body, Announce(write))
            finally:
                # Not sys.exit: exit handlers and buffers of the supervisor are not this process's business.
                os._exit(code)
        os.close(write)
        self.pid, self.pipe, self.ready, self._said = pid, read, False, b""
        self._started = time.monotonic()
        self._started_ticks = start_time(pid) or 0
        LOG.info("started %s", self.role, extra={"child": pid})

    def read(self) -> bool:
        """Take what the process said through its pipe. Returns whether it became ready just now."""
        assert self.pipe is not None
        try:
            data = os.read(self.pipe, 8192)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        became_ready = not self._said and data.startswith(b"R")
        self._said += data
        self.ready = self.ready or became_ready
        return became_ready

    def ended(self, status: int, *, expected: bool) -> None:
        """The process is gone with this wait status: say why, and when it is to be started again."""
        while self.pipe is not None:
            before = len(self._said)
            self.read()
            if self.pipe is not None and len(self._said) == before:
                self._close()
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.pid = None
        why = self._why(self.exit_code)
        lived = time.monotonic() - self._started
        if expected and self.exit_code == 0:
            self.ready = False
            self.start_at = time.monotonic()
            LOG.info("%s ended", self.role, extra={"lived_s": round(lived, 3)})
            return
        self.reason = why
        self.restarts += 1
        # One that had worked is back at once, however it ended; one that cannot even start is tried ever more rarely.
        self._false_starts = 0 if self.ready else self._false_starts + 1
        self.ready = False
        delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**self._false_starts) if self._false_starts else 0.0
        self.start_at = time.monotonic() + delay
        LOG.warning("%s ended: %s", self.role, why, extra={"lived_s": round(lived, 3), "again_in_s": delay})

    def _why(self, code: int) -> str:
        _, said, reason = self._said.partition(b"E")
        if said:
            return reason.decode(errors="replace")
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exited with status {code}"

    def _close(self) -> None:
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    def signal(self, number: int) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)

    def describe(self) -> Process | None:
        if self.pid is None:
            return None
        return Process(
            pid=self.pid,
            role=self.role,
            started=self._started_ticks,
            ready=self.ready,
            restarts=self.restarts,
            reason=self.reason,
        )


def _live(body: Body, announce: Announce) -> int:
    gc.enable()
    # A crash in a library's native code says on the console's log where Python was.
    faulthandler.enable()
    try:
        body(announce)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        LOG.critical("ended by an error", exc_info=error)
        traceback.print_exc()
        announce.failed(f"{type(error).__name__}: {error}")
        sys.stderr.flush()
        return 1
    return 0
