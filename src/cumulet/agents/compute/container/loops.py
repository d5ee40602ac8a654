"""Loop devices: files as block devices of this host's kernel. Each is named in the kernel, and found again by that."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cumulet.agents.compute.run import CommandFailed

MAJOR: Final = 7
_CONTROL: Final = "/dev/loop-control"
_GET_FREE, _CONFIGURE, _CLEAR, _GET_STATUS, _SET_CAPACITY = 0x4C82, 0x4C0A, 0x4C01, 0x4C05, 0x4C07
_READ_ONLY: Final = 1
_INFO: Final = struct.Struct("=5Q4I64s64s32s2Q")  # struct loop_info64 of linux/loop.h
_CONFIG: Final = struct.Struct(f"=2I{_INFO.size}s64x")  # struct loop_config
_AT_NAME: Final = 9
_TRIES: Final = 50
_CLEAR_S: Final = 20.0


def device(number: int) -> Path:
    return Path(f"/dev/loop{number}")


def attach(file: Path, name: str, *, offset: int = 0, readonly: bool = False) -> int:
    """Have `file` (from byte `offset`) as a loop device of this name (at most 63 bytes): its number."""
    present = find(name)
    if present is not None:
        return present
    backing = os.open(file, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC)
    try:
        flags = _READ_ONLY if readonly else 0
        info = _INFO.pack(0, 0, 0, offset, 0, 0, 0, 0, flags, name.encode(), b"", b"", 0, 0)
        for _ in range(_TRIES):
            number = _free()
            with _opened(number, os.O_RDONLY if readonly else os.O_RDWR) as loop:  # the device takes this on
                try:
                    fcntl.ioctl(loop, _CONFIGURE, _CONFIG.pack(backing, 0, info))
                except OSError as error:
                    if error.errno == errno.EBUSY:  # another was faster
                        continue
                    raise
            return number
        raise CommandFailed(f"no loop device is free after {_TRIES} tries")
    finally:
        os.close(backing)


def _free() -> int:
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(control, _GET_FREE)
    finally:
        os.close(control)


@contextlib.contextmanager
def _opened(number: int, how: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(device(number), how | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def bound() -> dict[str, int]:
    """The number of each loop device by its name."""
    found = {}
    for entry in Path("/sys/block").glob("loop*/loop"):
        number = int(entry.parent.name.removeprefix("loop"))
        with contextlib.suppress(OSError), _opened(number) as loop:  # one that went meanwhile is not there
            info = _INFO.unpack(fcntl.ioctl(loop, _GET_STATUS, bytes(_INFO.size)))
            found[info[_AT_NAME].rstrip(b"\0").decode(errors="replace")] = number
    return found


def find(name: str) -> int | None:
    return bound().get(name)


def detach(name: str, within_s: float = _CLEAR_S) -> None:
    """What was written is in the file when this returns. Raises CommandFailed while somebody has the device open."""
    number = find(name)
    if number is None:
        return
    deadline = time.monotonic() + within_s
    while find(name) == number:
        with contextlib.suppress(OSError), _opened(number) as loop:  # gone, or going: asked again below
            fcntl.ioctl(loop, _CLEAR)
        if time.monotonic() > deadline:
            raise CommandFailed(f"{device(number)} is still in use")
        time.sleep(0.02)


def size(number: int) -> int:
    """Bytes."""
    return int(Path(f"/sys/block/loop{number}/size").read_text()) * 512


def grow(number: int) -> None:
    """Take the size that the file has now."""
    with _opened(number) as loop:
        fcntl.ioctl(loop, _SET_CAPACITY)
