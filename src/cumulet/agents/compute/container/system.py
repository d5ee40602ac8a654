"""The kernel's calls that Python has no functions for. Nothing but the standard library: the keeper lives long."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE, MS_SLAVE = 16384, 1 << 18, 1 << 19
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC, _ATTR_IDMAP = 1, 2, 4, 8, 0x100000
DETACH: Final = 2
_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR, _PIVOT_ROOT = 429, 430, 431, 432, 442, 155  # x86_64
_CLOEXEC: Final = 1
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_EMPTY_PATH: Final = 0x1000
_FROM_EMPTY, _TO_EMPTY = 0x4, 0x40
_DIE_WITH_PARENT: Final = 1
libc: Final = ctypes.CDLL(None, use_errno=True)


def call(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    call(libc.unshare(flags), "unshare")


def enter(path: str, flag: int) -> None:
    """Step into the namespace of this file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_descriptor(descriptor, flag)
    finally:
        os.close(descriptor)


def enter_descriptor(descriptor: int, flag: int) -> None:
    call(libc.setns(descriptor, flag), "setns")


def die_with_parent(signal_number: int) -> None:
    call(libc.prctl(_DIE_WITH_PARENT, signal_number), "prctl")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    call(libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def unmount(target: str, flags: int = DETACH) -> None:
    call(libc.umount2(target.encode(), flags), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    call(libc.syscall(_PIVOT_ROOT, new.encode(), old.encode()), "pivot_root")


def open_file_system(device: str, *, readonly: bool, attributes: int, owners: int, options: Iterable[str] = ()) -> int:
    """An ext file system that is not mounted anywhere yet, its owners shifted as the user namespace `owners` (a
    descriptor) says: on the disk they are what they are inside. Its descriptor is for `place`.

    What the disk itself says is to be done on errors does not count: it could say that this host shall panic.
    """
    context = call(libc.syscall(_FSOPEN, b"ext4", _CLOEXEC), "fsopen")
    try:
        _configure(context, _SET_STRING, "source", device)
        _configure(context, _SET_STRING, "errors", "remount-ro")
        for option in options:
            _configure(context, _SET_FLAG, option, None)
        if readonly:
            _configure(context, _SET_FLAG, "ro", None)
        call(libc.syscall(_FSCONFIG, context, _CREATE, None, None, 0), f"open the file system of {device}")
        made = call(libc.syscall(_FSMOUNT, context, _CLOEXEC, attributes), "fsmount")
    finally:
        os.close(context)
    mapped = struct.pack("=4Q", _ATTR_IDMAP, 0, 0, owners)
    try:
        call(libc.syscall(_MOUNT_SETATTR, made, b"", _EMPTY_PATH, mapped, len(mapped)), "mount_setattr")
    except OSError:
        os.close(made)
        raise
    return made


def _configure(context: int, command: int, key: str, value: str | None) -> None:
    said = None if value is None else value.encode()
    call(libc.syscall(_FSCONFIG, context, command, key.encode(), said, 0), f"fsconfig {key}")


def place(made: int, target: int) -> None:
    """Mount what `open_file_system` made on an open directory of the mount namespace we are in."""
    call(libc.syscall(_MOVE_MOUNT, made, b"", target, b"", _FROM_EMPTY | _TO_EMPTY), "move_mount")
