"""Devices that come and go, told by the kernel as it happens."""

from __future__ import annotations

import socket
import struct
from typing import Literal

from cumulet.agents.network import netns

_RTMGRP_LINK = 1
_NEWLINK, _DELLINK = 16, 17
_IFINFOMSG = 16  # bytes between the message's header and its attributes
_IFLA_IFNAME = 3

Event = tuple[Literal["new", "gone"], str]


class LinkWatch:
    """A socket that becomes readable when a device of the namespace appears, changes or disappears."""

    def __init__(self, namespace: str | None) -> None:
        with netns.inside(namespace):
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
            )
        self._socket.bind((0, _RTMGRP_LINK))

    def fileno(self) -> int:
        return self._socket.fileno()

    def events(self) -> list[Event] | None:
        """What has happened since the last call; None if so much that the kernel gave up telling."""
        found: list[Event] = []
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return found
            except OSError:  # ENOBUFS
                return None
            found += _events(data)

    def close(self) -> None:
        self._socket.close()


def _events(data: bytes) -> list[Event]:
    found: list[Event] = []
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        if kind in (_NEWLINK, _DELLINK):
            name = _name(data[offset + 16 + _IFINFOMSG : offset + length])
            if name:
                found.append(("new" if kind == _NEWLINK else "gone", name))
        offset += max(16, (length + 3) & ~3)
    return found


def _name(attributes: bytes) -> str:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if kind == _IFLA_IFNAME:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += max(4, (length + 3) & ~3)
    return ""
