"""An Image service in a process of its own, behind the real HTTP server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cumulet.kernel import server
from tests.daemons import free_port
from tests.image.support import Images

HOST = "127.0.0.1"


@contextmanager
def serving(state: Path, options: str = "", *, database_url: str | None = None) -> Iterator[tuple[int, int]]:
    """Its port and process. The database is an SQLite file below `state` unless another is named."""
    state.mkdir(parents=True, exist_ok=True)
    port = free_port()
    ready, tell_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()  # where the kernel shares processors out by sessions, it has its own as a real service has
        images = Images(database_url or f"sqlite:///{state / 'image.sqlite'}", state, options, durable=True)
        server.serve(
            {port: images.wsgi}, host=HOST, streaming={port}, ready=lambda: os.write(tell_ready, b"r") and None
        )
        os._exit(0)
    os.close(tell_ready)
    try:
        assert os.read(ready, 1) == b"r", "the service did not start"
        yield port, pid
    finally:
        os.close(ready)
        end(pid)


def end(pid: int, how: int = signal.SIGTERM) -> None:
    """End a process of ours, if it has not ended."""
    try:
        os.kill(pid, how)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
