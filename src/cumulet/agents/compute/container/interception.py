"""A container's mount(2): only the host's root may mount a disk's file system, so the keeper does it for the container.

The kernel asks the keeper (seccomp user notification) before a call of mount(2) that makes a new mount. If that is an
ext file system on one of the container's own disks, the keeper mounts it there with its owners shifted; anything else
the kernel decides as ever. A mount that has `nodev` keeps it, and calls that could change it otherwise do not exist:
programs then use mount(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from cumulet.agents.compute.container import system

_SYS_SECCOMP: Final = 317
_SET_FILTER, _NEW_LISTENER = 1, 8
_RECV, _SEND, _VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_RESPONSE: Final = struct.Struct("=QqiI")
_CONTINUE: Final = 1

_X86_64, _I386, _X32_BIT = 0xC000003E, 0x40000003, 0x40000000
_MOUNT, _MOUNT_I386 = 165, 21
_NEW_CALLS: Final = (428, 429, 430, 431, 432, 433, 442, 467)  # open_tree … fspick, mount_setattr, open_tree_attr
_NR_AT, _ARCH_AT, _FLAGS_AT = 0, 4, 40
_LOAD, _EQUAL, _SET, _ATLEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_ALLOW, _NOTIFY, _ERROR = 0x7FFF0000, 0x7FC00000, 0x00050000
_NOT_NEW: Final = system.MS_REMOUNT | system.MS_BIND | 0x2000  # the last: move
_PROPAGATION: Final = 0x1E0000
_MAGIC, _MAGIC_MASK = 0xC0ED0000, 0xFFFF0000  # programs may put this into the flags, where it means nothing

_KINDS: Final = frozenset({"ext2", "ext3", "ext4"})
_OPTIONS: Final = frozenset({"discard", "nodiscard"})
_OURS: Final = frozenset({"errors=remount-ro", "errors=continue", ""})
_MOST_TEXT: Final = 4096
_CHECK_S: Final = 600


def install() -> int:
    """Filter this process and all it starts from now on; the descriptor at which the keeper is asked."""
    program = b"".join(struct.pack("=HBBI", *line) for line in _program())
    buffer = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    return system.call(
        system.libc.syscall(_SYS_SECCOMP, _SET_FILTER, _NEW_LISTENER, described), "the filter of system calls"
    )


def _program() -> list[tuple[int, int, int, int]]:
    """The filter in the kernel's own form: (operation, lines to skip if true, if false, operand)."""
    judge_mount = [
        (_LOAD, 0, 0, _FLAGS_AT),
        (_AND, 0, 0, system.MS_REMOUNT | system.MS_BIND | system.MS_NODEV),
        (_EQUAL, 0, 1, system.MS_REMOUNT | system.MS_BIND),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_LOAD, 0, 0, _FLAGS_AT),
        (_SET, 0, 1, _NOT_NEW),
        (_RETURN, 0, 0, _ALLOW),
        (_AND, 0, 0, _MAGIC_MASK),
        (_EQUAL, 2, 0, _MAGIC),
        (_SET, 0, 1, _PROPAGATION),
        (_RETURN, 0, 0, _ALLOW),
    ]
    news = [line for number in _NEW_CALLS for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.ENOSYS))]
    i386 = [
        (_LOAD, 0, 0, _NR_AT),
        *news,
        (_EQUAL, 1, 0, _MOUNT_I386),
        (_RETURN, 0, 0, _ALLOW),
        *judge_mount,
        (_RETURN, 0, 0, _ALLOW),  # the kernel refuses it, as it always did
    ]
    x86_64 = [
        (_LOAD, 0, 0, _NR_AT),
        (_ATLEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        *news,
        (_EQUAL, 1, 0, _MOUNT),
        (_RETURN, 0, 0, _ALLOW),
        *judge_mount,
        (_RETURN, 0, 0, _NOTIFY),
    ]
    return [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, len(i386) + 2, 0, _X86_64),
        (_EQUAL, 1, 0, _I386),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        *i386,
        *x86_64,
    ]


class Asked(NamedTuple):
    """A call of mount(2) that waits for an answer."""

    id: int
    pid: int
    source: str
    target: str
    kind: str
    flags: int
    data: str


def serve(listener: int, devices: str, owners: str) -> None:
    """Answer one call, in a process of its own: a file system may take its time.

    `devices` is the directory with the container's device nodes, `owners` the file of its user namespace.
    """
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECV, buffer)
    except OSError:  # who asked has ended
        return
    try:
        child = os.fork()
    except OSError:  # the container has all the processes that it may have
        _say(listener, _NOTIFICATION.unpack(buffer)[0], -errno.EAGAIN, 0)
        return
    if child == 0:
        try:
            if os.fork() == 0:
                _answer(listener, bytes(buffer), devices, owners)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _answer(listener: int, notification: bytes, devices: str, owners: str) -> None:
    number, pid, _, _, _, _, *words = _NOTIFICATION.unpack(notification)
    error, flags = 0, 0
    try:
        source, target, kind = (_text(pid, at) for at in words[:3])
        asked = Asked(number, pid, source, target, kind, words[3], _text(pid, words[4]))
        if asked.kind not in _KINDS or not _mount(listener, asked, devices, owners):
            flags = _CONTINUE
    except OSError as failed:
        error = -(failed.errno or errno.EIO)
    _say(listener, number, error, flags)


def _say(listener: int, number: int, error: int, flags: int) -> None:
    with contextlib.suppress(OSError):  # who asked has ended
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(number, 0, error, flags))


def _text(pid: int, at: int) -> str:
    if at == 0:
        return ""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - not a file by a path of ours
        memory.seek(at)
        page = 4096 - at % 4096  # the next page need not be there
        data = memory.read(page)
        if b"\0" not in data:
            data += memory.read(_MOST_TEXT)
    return os.fsdecode(data[:_MOST_TEXT].split(b"\0")[0])


def _mount(listener: int, asked: Asked, devices: str, owners: str) -> bool:
    """Whether it was ours to do. Raises OSError with what the container is told."""
    nodes = [entry.stat(follow_symlinks=False) for entry in os.scandir(devices)]  # the container may put links there
    ours = {node.st_rdev for node in nodes if stat.S_ISBLK(node.st_mode)}
    here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    own_directory = os.open(".", os.O_PATH | os.O_CLOEXEC)
    mapping = os.open(owners, os.O_RDONLY | os.O_CLOEXEC)
    theirs = [os.open(f"/proc/{asked.pid}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("ns/mnt", "root", "cwd")]
    fcntl.ioctl(listener, _VALID, struct.pack("=Q", asked.id))  # it is still the one who asked
    _step_in(*theirs)
    found = Path(asked.source).stat()
    if not stat.S_ISBLK(found.st_mode) or found.st_rdev not in ours:
        return False
    target = os.open(asked.target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    options = _options(asked.data)
    system.enter_descriptor(here, system.NEWNS)
    os.fchdir(own_directory)
    readonly = bool(asked.flags & system.MS_RDONLY)
    device = f"/dev/loop{os.minor(found.st_rdev)}"
    if not readonly:
        repair(device)
    made = system.open_file_system(
        device, readonly=readonly, attributes=_attributes(asked.flags), owners=mapping, options=options
    )
    system.enter_descriptor(theirs[0], system.NEWNS)
    system.place(made, target)
    return True


def _step_in(namespace: int, root: int, directory: int) -> None:
    """See the files as who asked does."""
    system.enter_descriptor(namespace, system.NEWNS)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(directory)


def _options(data: str) -> list[str]:
    """Raises OSError (EINVAL) for what a container may not choose."""
    wanted = [word for word in data.split(",") if word not in _OURS]
    if not _OPTIONS.issuperset(wanted):
        raise OSError(errno.EINVAL, f"mount options {data!r}")
    return wanted


def _attributes(flags: int) -> int:
    same = system.MS_RDONLY | system.MS_NOSUID | system.MS_NOEXEC  # both ways of saying it have the same bits
    return (flags & same) | system.ATTR_NODEV


def repair(device: str) -> None:
    """Put right what a crash left, outside the kernel. Raises OSError (EUCLEAN) when that needs somebody to decide."""
    command = ["prlimit", f"--cpu={_CHECK_S}", "e2fsck", "-p", device]
    done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode & 4:
        raise OSError(errno.EUCLEAN, f"the file system of {device} needs e2fsck")
