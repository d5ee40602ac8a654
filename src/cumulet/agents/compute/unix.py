"""Unix sockets in a guest's directory, whose path may be longer than a socket address can be (108 bytes)."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A connection to the socket at `path`. Raises OSError when nobody listens there."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(timeout_s)
            made.connect(f"/proc/self/fd/{directory}/{path.name}")
        except BaseException:
            made.close()
            raise
        return made
    finally:
        os.close(directory)
