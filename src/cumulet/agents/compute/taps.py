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
from collections.abc import Iterator

from cumulet.agents.network import names, netns

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_MULTI_QUEUE, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x0100, 0x1000, 0x4000
_SIOCSIFMTU = 0x8922

name_of = names.tap


def ensure(namespace: str | None, port_id: str, mtu: int | None = None, *, queues: int = 1) -> str:
    """Have the port's tap there, with this MTU. Returns its name. One that a guest has open stays as it is.

    One that can have many queues is another kind of device: it takes the place of one that cannot, and the other way.
    """
    name, many = name_of(port_id), queues > 1
    with netns.inside(namespace):
        try:
            if exists(name) and _has_many(name) != many:
                _persist(name, many=not many, keep=False)
            _persist(name, many=many, keep=True)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        if mtu:
            _set_mtu(name, mtu)
    return name


def remove(namespace: str | None, port_id: str) -> None:
    """Take the port's tap away; one that is not there is right too."""
    with netns.inside(namespace), contextlib.suppress(FileNotFoundError):
        name = name_of(port_id)
        if exists(name):
            _persist(name, many=_has_many(name), keep=False)


def exists(name: str) -> bool:
    """In the calling thread's namespace; unlike /sys this needs no mount of it."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _has_many(name: str) -> bool:
    """Whether it is of the kind with many queues: the kernel opens a tap only as what it is."""
    try:
        with _opened(name, many=False):
            return False
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return True


def _persist(name: str, *, many: bool, keep: bool) -> None:
    with _opened(name, many=many) as tun:
        fcntl.ioctl(tun, _TUNSETPERSIST, int(keep))


@contextlib.contextmanager
def _opened(name: str, *, many: bool) -> Iterator[int]:
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if many else 0)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        yield tun
    finally:
        os.close(tun)


def _set_mtu(name: str, mtu: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name.encode(), mtu))
