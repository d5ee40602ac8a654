"""rtnetlink in one namespace: requests in batches, and what the kernel has as small values.

pyroute2 encodes requests and decodes answers; the socket is our own. It belongs to the namespace it was opened in, so
nobody has to step in again to use it, and many requests go in one system call with one acknowledgement each.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPBatch
from pyroute2.netlink.rtnl import (
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETQDISC,
    RTM_GETROUTE,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from cumulet.agents.network import netns
from cumulet.agents.network.links import Link, decode_link

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_CHUNK = 64  # requests a system call: their acknowledgements must fit the socket's buffer


@dataclass(frozen=True)
class Address:
    index: int
    address: str
    prefix_length: int
    scope: int

    @property
    def cidr(self) -> str:
        return f"{self.address}/{self.prefix_length}"


@dataclass(frozen=True)
class RouteEntry:
    """A route of the main table; destination is `default` or a CIDR."""

    family: int
    destination: str
    gateway: str | None
    index: int | None
    protocol: int
    scope: int
    source: str | None
    priority: int
    kind: int


class Batch:
    """Requests collected to be sent together. Every one has a subject, by which its failure is reported."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._encoder = _encoder()
        self._encoder.reset()
        self._requests: list[tuple[str, bytes]] = []

    def link(self, subject: str, command: str, **attributes: Any) -> None:
        self._add(subject, "link", command, attributes)

    def address(self, subject: str, command: str, **attributes: Any) -> None:
        self._add(subject, "addr", command, attributes)

    def route(self, subject: str, command: str, **attributes: Any) -> None:
        self._add(subject, "route", command, attributes)

    def fdb(self, subject: str, command: str, **attributes: Any) -> None:
        self._add(subject, "fdb", command, attributes)

    def traffic_control(self, subject: str, command: str, **attributes: Any) -> None:
        self._add(subject, "tc", command, attributes)

    def _add(self, subject: str, method: str, command: str, attributes: dict[str, Any]) -> None:
        getattr(self._encoder, method)(command, **attributes)
        for message in _messages(bytes(self._encoder.batch)):
            self._requests.append((subject, message))
        self._encoder.reset()

    def send(self) -> list[tuple[str, OSError]]:
        """Do all of it in order; the requests that failed, with the kernel's reason. The others are done."""
        failed = []
        for subject, number in self._netlink.transact(self._requests):
            failed.append((subject, OSError(number, os.strerror(number))))
        self._requests = []
        return failed

    def do(self) -> None:
        """Send and raise the first failure."""
        for subject, error in self.send():
            raise OSError(error.errno, f"{subject}: {error.strerror}")


class Netlink:
    """The devices, addresses, routes and forwarding entries of one namespace. For one thread at a time."""

    def __init__(self, namespace: str | None) -> None:
        with netns.inside(namespace):
            self.identity = netns.identity(None)
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(10)
        self._socket.bind((0, 0))
        self._marshal = MarshalRtnl()
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def batch(self) -> Batch:
        return Batch(self)

    def transact(self, requests: list[tuple[str, bytes]]) -> Iterator[tuple[str, int]]:
        """Send encoded requests; (subject, errno) of those refused."""
        for start in range(0, len(requests), _CHUNK):
            chunk = requests[start : start + _CHUNK]
            subjects = {}
            data = bytearray()
            for subject, message in chunk:
                self._sequence = (self._sequence + 1) & 0x7FFFFFFF or 1
                subjects[self._sequence] = subject
                length, kind, flags, _, _ = _HEADER.unpack_from(message)
                data += _HEADER.pack(length, kind, flags | _ACK, self._sequence, 0) + message[_HEADER.size :]
                data += bytes(-len(data) % 4)
            self._socket.send(data)
            while subjects:
                for message in _messages(self._socket.recv(1 << 18)):
                    _, kind, _, sequence, _ = _HEADER.unpack_from(message)
                    if kind != _ERROR or sequence not in subjects:
                        continue
                    subject = subjects.pop(sequence)
                    number = -struct.unpack_from("=i", message, _HEADER.size)[0]
                    if number:
                        yield subject, number

    def links(self) -> dict[str, Link]:
        """Every device by name."""
        messages = self._raw_dump(ifinfmsg, RTM_GETLINK)
        return {link.name: link for link in map(decode_link, messages)}

    def link(self, name: str) -> Link | None:
        request = ifinfmsg()
        request["attrs"] = [("IFLA_IFNAME", name)]
        answers, _ = self._exchange(request, RTM_GETLINK, _REQUEST | _ACK)
        return decode_link(answers[0]) if answers else None

    def addresses(self) -> list[Address]:
        return [
            Address(
                index=m["index"],
                # For a point-to-point device IFA_ADDRESS is the peer's.
                address=m.get_attr("IFA_LOCAL") or m.get_attr("IFA_ADDRESS"),
                prefix_length=m["prefixlen"],
                scope=m["scope"],
            )
            for m in self._dump(ifaddrmsg, RTM_GETADDR)
        ]

    def routes(self) -> list[RouteEntry]:
        """Unicast and other routes of the main table, both families; not the cache, not the local table."""
        found = []
        for message in self._dump(rtmsg, RTM_GETROUTE):
            if (message.get_attr("RTA_TABLE") or message["table"]) != 254 or message["family"] not in (2, 10):
                continue
            destination = message.get_attr("RTA_DST")
            found.append(
                RouteEntry(
                    family=message["family"],
                    destination="default" if destination is None else f"{destination}/{message['dst_len']}",
                    gateway=message.get_attr("RTA_GATEWAY"),
                    index=message.get_attr("RTA_OIF"),
                    protocol=message["proto"],
                    scope=message["scope"],
                    source=message.get_attr("RTA_PREFSRC"),
                    priority=message.get_attr("RTA_PRIORITY") or 0,
                    kind=message["type"],
                )
            )
        return found

    def forwarding(self) -> list[tuple[int, str, str | None, int]]:
        """(device, MAC, tunnel end point, state) of every bridge and VXLAN forwarding entry."""
        return [
            (m["ifindex"], m.get_attr("NDA_LLADDR"), m.get_attr("NDA_DST"), m["state"])
            for m in self._dump(ndmsg, RTM_GETNEIGH, family=socket.AF_BRIDGE)
        ]

    def qdiscs(self) -> list[Any]:
        return self._dump(tcmsg, RTM_GETQDISC)

    def _dump(self, kind: Any, request_type: int, family: int = 0) -> list[Any]:
        return [m for data in self._raw_dump(kind, request_type, family) for m in self._marshal.parse(data)]

    def _raw_dump(self, kind: Any, request_type: int, family: int = 0) -> list[bytes]:
        for _ in range(5):
            request = kind()
            request["family"] = family
            answers, interrupted = self._exchange(request, request_type, _REQUEST | _DUMP)
            if not interrupted:
                break
        return answers

    def _exchange(self, request: Any, request_type: int, flags: int) -> tuple[list[bytes], bool]:
        """The answers' messages, none if the kernel knows no such thing; True if a dump was overtaken by a change."""
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF or 1
        request["header"]["type"] = request_type
        request["header"]["flags"] = flags
        request["header"]["sequence_number"] = self._sequence
        request.encode()
        self._socket.send(request.data)
        answers: list[bytes] = []
        interrupted = False
        while True:
            for message in _messages(self._socket.recv(1 << 18)):
                _, kind, message_flags, sequence, _ = _HEADER.unpack_from(message)
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(message_flags & _INTERRUPTED)
                if kind == _DONE:
                    return answers, interrupted
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", message, _HEADER.size)[0]
                    if number and number not in (errno.ENODEV, errno.ENOENT):
                        raise OSError(number, os.strerror(number))
                    return answers, interrupted
                answers.append(message)


_encoders = threading.local()


def _encoder() -> IPBatch:
    """pyroute2's request compiler keeps a socket and an event loop of its own; one for a thread is enough."""
    if not hasattr(_encoders, "batch"):
        _encoders.batch = IPBatch()
    encoder: IPBatch = _encoders.batch
    return encoder


def _messages(data: bytes) -> Iterator[bytes]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length = struct.unpack_from("=I", data, offset)[0]
        yield data[offset : offset + length]
        offset += (length + 3) & ~3
