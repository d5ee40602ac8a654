"""The end of processes that need not be children.

/proc shows a process's command line no more from the first moment of its end, when it still has its files, their locks
and the sockets that it listens at: who starts its successor then is refused them, or is answered by the one that dies.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def end_of(pid: int) -> Iterator[Callable[[float], bool]]:
    """How to wait, some seconds at most, for a process's end: whether it is gone with all it held."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        yield lambda within_s: True
        return
    try:
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        yield lambda within_s: bool(watch.poll(within_s * 1000))
    finally:
        os.close(handle)


def end(pid: int, *steps: tuple[signal.Signals, float]) -> bool:
    """Send it one signal after another, each with the seconds it has to end; whether it has."""
    with end_of(pid) as ended:
        for which, within_s in steps:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)
            if ended(within_s):
                return True
    return False
