"""A client of the NBD protocol over a Unix socket: the disk of a storage daemon as plain bytes.

Wire: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle, simple replies.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.volume import qemu
from cumulet.agents.volume.protocols import NoSpace, Refused

_MAGIC: Final = 0x4E42444D41474943
_OPTIONS: Final = 0x49484156454F5054
_GO: Final = 7
_ACK, _INFO = 1, 3
_REQUEST, _REPLY = 0x25609513, 0x67446698
_READ, _WRITE, _END, _FLUSH, _ZERO = 0, 1, 2, 3, 6
_CAN_ZERO: Final = 1 << 6
_MOST: Final = 16 << 20  # bytes in one request; servers take at least 32 MiB
_MOST_ZEROS: Final = 1 << 30
_WAIT_S: Final = 300.0


class NbdDevice:
    """An export. Requests of several threads take turns."""

    def __init__(self, path: Path, export: str) -> None:
        self._path, self._export = path, export
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_WAIT_S)
        try:
            self._socket.connect(str(path))
            self.size, self._flags = self._agree()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> NbdDevice:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.sendall(struct.pack(">IHHQQI", _REQUEST, 0, _END, 0, 0, 0))
        finally:
            self._socket.close()

    def _agree(self) -> tuple[int, int]:
        magic, options, _ = struct.unpack(">QQH", self._take(18))
        if (magic, options) != (_MAGIC, _OPTIONS):
            raise Refused("That is no NBD server.")
        name = self._export.encode()
        data = struct.pack(">I", len(name)) + name + struct.pack(">H", 0)
        self._socket.sendall(struct.pack(">I", 3) + struct.pack(">QII", _OPTIONS, _GO, len(data)) + data)
        size = flags = 0
        while True:
            _, _, kind, length = struct.unpack(">QIII", self._take(20))
            body = self._take(length)
            if kind == _ACK:
                return size, flags
            if kind & 1 << 31:
                raise Refused(f"The NBD server does not serve {self._export}: {body.decode(errors='replace')}")
            if kind == _INFO and body[:2] == b"\0\0":
                size, flags = struct.unpack(">QH", body[2:12])

    def _take(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._socket.recv(min(length - len(parts), 1 << 20))
            if not part:
                raise Refused("The NBD server ended the connection.")
            parts += part
        return bytes(parts)

    def _ask(self, command: int, offset: int, length: int, data: bytes = b"") -> bytes:
        with self._lock:
            self._socket.sendall(struct.pack(">IHHQQI", _REQUEST, 0, command, 0, offset, length) + data)
            magic, error, _ = struct.unpack(">IIQ", self._take(16))
            if magic != _REPLY:
                raise Refused("The NBD server answered with something else.")
            if error == 28:
                raise NoSpace("The back end has no space left.")
            if error:
                raise Refused(f"The NBD server reported error {error}.")
            return self._take(length) if command == _READ else b""

    def read(self, offset: int, length: int) -> bytes:
        if length <= _MOST:
            return self._ask(_READ, offset, length)
        return b"".join(
            self._ask(_READ, start, min(_MOST, offset + length - start))
            for start in range(offset, offset + length, _MOST)
        )

    def write(self, offset: int, data: bytes) -> None:
        for start in range(0, len(data), _MOST):
            part = data[start : start + _MOST]
            self._ask(_WRITE, offset + start, len(part), part)

    def zero(self, offset: int, length: int) -> None:
        if not self._flags & _CAN_ZERO:
            self.write(offset, bytes(length))
            return
        for start in range(offset, offset + length, _MOST_ZEROS):
            self._ask(_ZERO, start, min(_MOST_ZEROS, offset + length - start))

    def flush(self) -> None:
        self._ask(_FLUSH, 0, 0)

    def extents(self) -> Iterator[tuple[int, int]]:
        options = f"driver=nbd,server.type=unix,server.path={_escaped(str(self._path))},export={_escaped(self._export)}"
        for entry in msgspec.json.decode(qemu.img("map", "--output=json", "--image-opts", options)):
            if entry["data"] and not entry["zero"]:
                yield entry["start"], entry["length"]


def _escaped(value: str) -> str:
    """A comma in a value is doubled, in QEMU's option strings."""
    return value.replace(",", ",,")
