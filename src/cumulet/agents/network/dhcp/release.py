"""Telling dnsmasq that a lease has ended, in its clients' name.

dnsmasq keeps an address for the MAC that leased it until the lease runs out. When a port goes and its address is given
to another port, that one would get nothing for a day. So the old lease is released as its client would do it
(RFC 2131 section 4.4.6, RFC 8415 section 18.2.7).
"""

from __future__ import annotations

import secrets
import socket
import struct
from pathlib import Path

from msgspec import Struct

from cumulet.agents.network import netns

_BOOTREQUEST, _ETHERNET, _DHCPRELEASE, _DHCP6_RELEASE = 1, 1, 7, 8
_COOKIE = bytes((99, 130, 83, 99))
_ALL_DHCP_SERVERS = "ff02::1:2"


class Lease(Struct, frozen=True):
    """A line of the lease file. For DHCPv6 `mac` is empty, `iaid` set and `client` the client's DUID."""

    address: str
    mac: str
    client: bytes
    iaid: int = 0
    server: bytes = b""


def read(path: Path) -> list[Lease]:
    """All leases: IPv4 lines first, then after a `duid` line (the server's) those of IPv6."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    leases, server = [], b""
    for line in lines:
        fields = line.split()
        if len(fields) == 2 and fields[0] == "duid":
            server = _octets(fields[1])
        elif len(fields) >= 5 and ":" not in fields[2]:
            leases.append(Lease(fields[2], fields[1].lower(), _octets(fields[4])))
        elif len(fields) >= 5:
            iaid = int(fields[1].removeprefix("T"))
            leases.append(Lease(fields[2], "", _octets(fields[4]), iaid, server))
    return leases


def release(namespace: str, device: str, lease: Lease, server_ip: str | None) -> None:
    """Send the release from inside the server's namespace, as if it had come in on its device."""
    with netns.inside(namespace):
        if ":" in lease.address:
            _release6(device, lease)
        elif server_ip is not None:
            _release4(device, lease, server_ip)


def _release4(device: str, lease: Lease, server_ip: str) -> None:
    message = struct.pack(
        ">BBBBIHH4s4s4s4s16s192x",
        _BOOTREQUEST, _ETHERNET, 6, 0, secrets.randbits(32), 0, 0,
        socket.inet_aton(lease.address), bytes(4), bytes(4), bytes(4), _octets(lease.mac),
    )  # fmt: skip
    message += _COOKIE + bytes((53, 1, _DHCPRELEASE)) + bytes((54, 4)) + socket.inet_aton(server_ip)
    if lease.client:
        message += bytes((61, len(lease.client))) + lease.client
    message += b"\xff"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        sender.sendto(message, (server_ip, 67))


def _release6(device: str, lease: Lease) -> None:
    address = socket.inet_pton(socket.AF_INET6, lease.address) + bytes(8)
    identity = struct.pack(">III", lease.iaid, 0, 0) + _option6(5, address)
    message = struct.pack(">I", _DHCP6_RELEASE << 24 | secrets.randbits(24))
    message += _option6(1, lease.client) + _option6(2, lease.server) + _option6(3, identity)
    message += _option6(8, bytes(2))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        index = socket.if_nametoindex(device)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        sender.sendto(message, (_ALL_DHCP_SERVERS, 547, 0, index))


def _option6(code: int, value: bytes) -> bytes:
    return struct.pack(">HH", code, len(value)) + value


def _octets(text: str) -> bytes:
    return b"" if text == "*" else bytes(int(part, 16) for part in text.split(":"))
