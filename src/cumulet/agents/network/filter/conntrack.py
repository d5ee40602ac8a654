"""The connections that the kernel tracks: listing them, and ending some.

pyroute2 decodes one entry in 0.4 ms, a full table of a busy host in minutes, so the few attributes that matter are read
here directly (linux/netfilter/nfnetlink_conntrack.h). An entry is deleted by the very bytes it was listed with.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cumulet.agents.network import netns

_NETLINK_NETFILTER = 12
_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIG, _REPLY, _ZONE = 1, 2, 18
_NESTED = 0x8000
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True)
class Side:
    """One direction of a connection. Ports are 0 for protocols without; for ICMP they are type and code."""

    source: str
    destination: str
    source_port: int
    destination_port: int


@dataclass(frozen=True)
class Connection:
    zone: int
    version: int
    protocol: int
    original: Side
    reply: Side
    _tuple: bytes = field(repr=False, compare=False)  # of the original direction, as the kernel encoded it


class Conntrack:
    """Connection tracking of one namespace."""

    def __init__(self, namespace: str | None) -> None:
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.settimeout(10)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def connections(self, zone: int | None = None) -> list[Connection]:
        """All that are tracked, or those of one zone (kernels before 6.8 send all, and the rest is skipped here)."""
        self._sequence += 1
        attributes = b"" if zone is None else _padded(_ZONE, struct.pack(">H", zone))
        body = struct.pack("=BBH", 0, 0, 0) + attributes
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST | _DUMP, self._sequence, 0) + body)
        found = []
        for kind, message in self._answers():
            if kind == _ERROR:
                number = -struct.unpack_from("=i", message)[0]
                raise OSError(number, os.strerror(number))
            connection = _connection(message)
            if connection is not None and zone in (None, connection.zone):
                found.append(connection)
        return found

    def delete(self, connections: Iterable[Connection]) -> int:
        """End them; how many there still were."""
        ended = 0
        for connection in connections:
            self._sequence += 1
            attributes = _padded(_ORIG | _NESTED, connection._tuple)
            attributes += _padded(_ZONE, struct.pack(">H", connection.zone))
            body = struct.pack("=BBH", 2 if connection.version == 4 else 10, 0, 0) + attributes
            self._socket.send(
                _HEADER.pack(_HEADER.size + len(body), _DELETE, _REQUEST | _ACK, self._sequence, 0) + body
            )
            for _, message in self._answers():
                number = -struct.unpack_from("=i", message)[0]
                if number not in (0, errno.ENOENT):
                    raise OSError(number, os.strerror(number))
                ended += number == 0
        return ended

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """(type, body) of the messages that answer the last request."""
        while True:
            data = self._socket.recv(1 << 18)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
                body = data[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if kind == _DONE:
                    return
                yield kind, body
                if kind == _ERROR:
                    return


def _padded(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    found, offset = {}, start
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += max(4, (length + 3) & ~3)
    return found


def _connection(message: bytes) -> Connection | None:
    version = {2: 4, 10: 6}.get(message[0])
    if version is None:
        return None
    attributes = _attributes(message, 4)
    zone = attributes.get(_ZONE)
    original, reply = attributes[_ORIG], attributes[_REPLY]
    protocol, side = _side(original, version)
    return Connection(
        zone=int.from_bytes(zone) if zone else 0,
        version=version,
        protocol=protocol,
        original=side,
        reply=_side(reply, version)[1],
        _tuple=original,
    )


def _side(data: bytes, version: int) -> tuple[int, Side]:
    nested = _attributes(data)
    address, protocol = _attributes(nested[1]), _attributes(nested[2])
    number = protocol[1][0]
    if version == 4:
        source, destination = socket.inet_ntop(socket.AF_INET, address[1]), socket.inet_ntop(socket.AF_INET, address[2])
    else:
        source = socket.inet_ntop(socket.AF_INET6, address[3])
        destination = socket.inet_ntop(socket.AF_INET6, address[4])
    if 2 in protocol:
        ports = int.from_bytes(protocol[2]), int.from_bytes(protocol[3])
    elif 5 in protocol:
        ports = protocol[5][0], protocol[6][0]
    elif 8 in protocol:
        ports = protocol[8][0], protocol[9][0]
    else:
        ports = 0, 0
    return number, Side(source, destination, *ports)
