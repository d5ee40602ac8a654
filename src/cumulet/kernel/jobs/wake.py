"""Waking the engine right after a commit: one datagram on a Unix socket. A lost one costs a second, nothing more."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from cumulet.kernel.bus.unix import short_path

log = logging.getLogger(__name__)

_LONGEST_NAME = 255


def wake(path: str | os.PathLike[str], service: str = "") -> bool:
    """Tell the engine that listens at `path` to look at the jobs of `service` (of all services by default).

    Never blocks and never raises for an engine that is away or busy: it looks by itself within a second.
    Returns whether the datagram was handed over.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            with short_path(path) as name:
                sender.sendto(service.encode(), name)
        except OSError:
            return False
    return True


class WakeListener:
    """Receives the datagrams in a thread of its own and calls `on_wake(service)` for each."""

    def __init__(self, path: str | os.PathLike[str], on_wake: Callable[[str], None]) -> None:
        self._path = Path(path)
        self._on_wake = on_wake
        self._stopping = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()  # left behind by an engine that was killed
        with short_path(path) as name:
            self._socket.bind(name)
            Path(name).chmod(0o600)
        self._inode = self._path.stat().st_ino
        self._thread = threading.Thread(target=self._listen, name="wake", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            name = self._socket.recv(_LONGEST_NAME).decode(errors="replace")
            if self._stopping.is_set():
                return
            self._on_wake(name)

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)  # `recv` returns at once, empty
        self._thread.join(timeout=5)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:  # not one that a newer engine has put there
                self._path.unlink()
