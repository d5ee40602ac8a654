"""Telling neighbours that an address is here now: gratuitous ARP (RFC 5227) and unsolicited advertisements (RFC 4861).

Without it a floating IP that moved from one router to another would be sent to the old one until caches run out.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable

from cumulet.agents.network import netns
from cumulet.agents.network.planning.ports import link_local

_ETH_ARP, _ETH_IP6, _BROADCAST = 0x0806, 0x86DD, b"\xff" * 6
_AGAIN_SECONDS = 1.0  # once more for whoever missed the first


def announce(namespace: str, device: str, mac: str, addresses: Iterable[str]) -> None:
    """Announce addresses of `device` now and a second later. OSError if the device is not up."""
    octets = bytes.fromhex(mac.replace(":", ""))
    frames = [_advertisement(mac, octets, a) if ":" in a else _gratuitous_arp(octets, a) for a in addresses]
    if not frames:
        return
    with netns.inside(namespace):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        sender.bind((device, 0))
    _send(sender, frames)
    again = threading.Timer(_AGAIN_SECONDS, _send_and_close, (sender, frames))
    again.daemon = True
    again.start()


def _send(sender: socket.socket, frames: Iterable[bytes]) -> None:
    for frame in frames:
        sender.send(frame)


def _send_and_close(sender: socket.socket, frames: Iterable[bytes]) -> None:
    with sender:
        try:
            _send(sender, frames)
        except OSError:
            return  # the device went in the meantime, and with it the reason to announce


def _gratuitous_arp(mac: bytes, address: str) -> bytes:
    ip = socket.inet_aton(address)
    body = struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, mac, ip, _BROADCAST, ip)
    return _BROADCAST + mac + struct.pack(">H", _ETH_ARP) + body


def _advertisement(mac: str, octets: bytes, address: str) -> bytes:
    """To all nodes, with the override flag, so that caches take the new MAC at once; from a router (R flag)."""
    target = socket.inet_pton(socket.AF_INET6, address)
    source, destination = link_local(mac).packed, socket.inet_pton(socket.AF_INET6, "ff02::1")
    message = struct.pack(">BBHI16sBB6s", 136, 0, 0, 0xA0000000, target, 2, 1, octets)
    pseudo = source + destination + struct.pack(">II", len(message), 58)
    message = message[:2] + struct.pack(">H", _checksum(pseudo + message)) + message[4:]
    header = struct.pack(">IHBB16s16s", 6 << 28, len(message), 58, 255, source, destination)
    return bytes.fromhex("333300000001") + octets + struct.pack(">H", _ETH_IP6) + header + message


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
