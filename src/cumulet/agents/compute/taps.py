"""Network devices of guests. The hypervisor makes a port's tap, the network agent takes it up and filters it.

The name is `tap` and the first eleven characters of the port's id (agents.network.names). A tap is persistent: it is
there before the guest asks for an address, and stays while a guest is started again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct

from cumulet.agents.network import names, netns

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_SIOCSIFMTU = 0x8922

name_of = names.tap


def ensure(namespace: str | None, port_id: str, mtu: int | None = None) -> str:
    """Have the port's tap there, with this MTU. Returns its name. One that a guest has open stays as it is."""
    name = name_of(port_id)
    with netns.inside(namespace):
        try:
            _persist(name, keep=True)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        if mtu:
            _set_mtu(name, mtu)
    return name


def remove(namespace: str | None, port_id: str) -> None:
    """Take the port's tap away; one that is not there is right too."""
    with netns.inside(namespace), contextlib.suppress(FileNotFoundError):
        if exists(name_of(port_id)):
            _persist(name_of(port_id), keep=False)


def exists(name: str) -> bool:
    """In the calling thread's namespace; unlike /sys this needs no mount of it."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _persist(name: str, *, keep: bool) -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
        fcntl.ioctl(tun, _TUNSETPERSIST, int(keep))
    finally:
        os.close(tun)


def _set_mtu(name: str, mtu: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name.encode(), mtu))
