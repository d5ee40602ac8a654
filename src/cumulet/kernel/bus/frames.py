"""Whole messages on a stream socket: four bytes of length, big-endian, then the message."""

from __future__ import annotations

import socket
import struct
import time

from cumulet.kernel.bus.wire import LONGEST_FRAME

_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 20


class Disconnected(ConnectionError):
    """The other side has closed, or said what no frame says."""


def send_frame(sock: socket.socket, data: bytes) -> None:
    """Send within the socket's timeout. Raises ValueError when it is too long, OSError when the way is broken."""
    if len(data) > LONGEST_FRAME:
        raise ValueError(f"a message of {len(data)} bytes is too long for the bus ({LONGEST_FRAME})")
    sock.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(sock: socket.socket, deadline: float | None = None) -> bytearray:
    """The next message. With `deadline` (time.monotonic()) raises TimeoutError once it has passed."""
    (length,) = _LENGTH.unpack(_receive(sock, _LENGTH.size, deadline))
    if length > LONGEST_FRAME:
        raise Disconnected(f"a frame of {length} bytes was announced")
    return _receive(sock, length, deadline)


def _receive(sock: socket.socket, count: int, deadline: float | None) -> bytearray:
    # The buffer grows with what has arrived, not with what was announced.
    data = bytearray()
    while len(data) < count:
        if deadline is not None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            sock.settimeout(remaining)
        piece = sock.recv(min(count - len(data), _CHUNK))
        if not piece:
            raise Disconnected("the other side closed the connection")
        data += piece
    return data
