"""Network namespaces: named ones below /run/netns as `ip netns` knows them, and stepping into one.

Stepping in changes the calling thread only. pyroute2's own helpers remember the main thread's namespace, hence these.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RUN_DIR = Path("/run/netns")
_OWN = Path("/proc/thread-self/ns/net")  # of the calling thread

_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """The file of a namespace: a name is looked up below /run/netns, anything with a slash is a path."""
    return Path(name) if "/" in name else RUN_DIR / name


def exists(name: str) -> bool:
    """True if `name` is a mounted namespace; a left-over plain file (its unmount was by hand) is none."""
    try:
        return path(name).stat().st_dev == _OWN.stat().st_dev
    except OSError:
        return False


def identity(name: str | None) -> int:
    """The kernel's number of a namespace (the calling thread's own for None), changed if it was made anew."""
    return (_OWN if name is None else path(name)).stat().st_ino


def names(prefix: str = "") -> list[str]:
    if not RUN_DIR.is_dir():
        return []
    return sorted(entry.name for entry in RUN_DIR.iterdir() if entry.name.startswith(prefix))


def create(name: str) -> None:
    """Make a namespace. Nothing happens if there is one of that name; a plain file in its place is taken away."""
    if exists(name):
        return
    _prepare_run_dir()
    target = path(name)
    target.unlink(missing_ok=True)
    target.touch(mode=0o444)
    failure: list[OSError] = []

    def bind() -> None:
        # Only this thread gets the new namespace, and it ends here: the mount alone keeps it.
        try:
            _check(_libc.unshare(_CLONE_NEWNET), "unshare")
            _mount("/proc/thread-self/ns/net", str(target), _MS_BIND)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=bind, name=f"netns-{name}")
    thread.start()
    thread.join()
    if failure:
        target.unlink(missing_ok=True)
        raise failure[0]


def delete(name: str) -> None:
    """Unmount and forget a namespace; its devices go with it unless a process or socket still holds it."""
    target = path(name)
    with suppress(FileNotFoundError):
        if _libc.umount2(str(target).encode(), _MNT_DETACH) != 0 and ctypes.get_errno() not in (
            errno.EINVAL,
            errno.ENOENT,
        ):
            raise OSError(ctypes.get_errno(), f"cannot unmount {target}")
        target.unlink()


@contextmanager
def inside(name: str | None) -> Iterator[None]:
    """Run the block in a namespace (None: where the thread is already)."""
    if name is None:
        yield
        return
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(target, _CLONE_NEWNET), f"enter namespace {name}")
        finally:
            os.close(target)
        try:
            yield
        finally:
            _check(_libc.setns(before, _CLONE_NEWNET), "return to the namespace before")
    finally:
        os.close(before)


def _prepare_run_dir() -> None:
    """As `ip netns` does: a shared mount, so that namespaces show up in every mount namespace."""
    RUN_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("none", str(RUN_DIR), _MS_SHARED | _MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: not a mount point yet
            raise
        _mount(str(RUN_DIR), str(RUN_DIR), _MS_BIND | _MS_REC)
        _mount("none", str(RUN_DIR), _MS_SHARED | _MS_REC)


def _mount(source: str, target: str, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), b"none", flags, None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
