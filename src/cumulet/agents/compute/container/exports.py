"""A volume as a file: qemu-storage-daemon opens it as QEMU would, with QEMU's locks, and shows it over FUSE.

So every kind of connection that machines can have, containers can have too. The file is mounted in the daemon's own
mount namespace: it goes with the daemon, however that ends, and nothing else on the host sees it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents import ending
from cumulet.agents.compute.folders import Drive
from cumulet.agents.compute.qemu import volumes
from cumulet.agents.compute.run import CommandFailed
from cumulet.agents.network import netns

_PID, _LOG, _FILE = "pid", "log", "disk"
_START_S: Final = 30.0
_END_S: Final = 20.0
_GROW_S: Final = 20.0
_children: list[subprocess.Popen[bytes]] = []


def _folder(directory: Path, drive: Drive) -> Path:
    return directory / f"export-{drive.id}"


def pid_of(folder: Path) -> int | None:
    """The daemon of this folder: it is started there and stays."""
    try:
        pid = int((folder / _PID).read_text())
        at = Path(f"/proc/{pid}/cwd").readlink()
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except (OSError, ValueError):
        return None
    return pid if at == folder.resolve() and b"qemu-storage-daemon" in program else None


def serve(directory: Path, drive: Drive, namespace: str | None) -> Path:
    """Have the volume's file, and its path. Raises CommandFailed with what the daemon said."""
    bury()
    folder = _folder(directory, drive)
    folder.mkdir(mode=0o700, exist_ok=True)
    present = pid_of(folder)
    if present is None:
        volumes.write_keys(directory, drive)
        present = _start(folder, drive, namespace)
    return _shown(folder, present)


def _shown(folder: Path, pid: int) -> Path:
    return Path(f"/proc/{pid}/root{folder.resolve() / _FILE}")


def _start(folder: Path, drive: Drive, namespace: str | None) -> int:
    (folder / _PID).unlink(missing_ok=True)
    (folder / _FILE).touch(mode=0o600)
    writable = "off" if drive.node.get("read-only") else "on"
    arguments = ["unshare", "--mount", "--propagation", "slave", "qemu-storage-daemon", "--pidfile", _PID]
    for secret in drive.objects:
        keys = {"dir": str(folder.parent / secret["dir"])} if "dir" in secret else {}
        arguments += ["--object", _json(secret | keys)]
    arguments += ["--blockdev", _json(drive.node)]
    export = {
        "type": "fuse",
        "id": "export",
        "node-name": drive.node["node-name"],
        "mountpoint": str(folder.resolve() / _FILE),
    }
    arguments += ["--export", _json(export | {"writable": writable == "on"})]
    with netns.inside(namespace), (folder / _LOG).open("wb") as said:
        child = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder, start_new_session=True
        )
    _children.append(child)
    deadline = time.monotonic() + _START_S
    while not _is_shown(folder):
        if child.poll() is not None:
            said_last = (folder / _LOG).read_text(errors="replace").strip().splitlines()
            raise CommandFailed(f"the volume cannot be opened: {'; '.join(said_last[-3:])}")
        if time.monotonic() > deadline:
            child.kill()
            child.wait()
            raise CommandFailed(f"the volume could not be opened in {_START_S:.0f} s")
        time.sleep(0.01)
    return child.pid


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _is_shown(folder: Path) -> bool:
    """Whether the file is the daemon's, no longer the empty one it is mounted on."""
    pid = pid_of(folder)
    try:
        return pid is not None and _shown(folder, pid).stat().st_dev != (folder / _FILE).stat().st_dev
    except OSError:
        return False


def end(directory: Path, drive: Drive) -> None:
    """Close the volume; everything written is with whoever serves it when this returns."""
    folder = _folder(directory, drive)
    if not folder.exists():
        return
    pid = pid_of(folder)
    if pid is not None and not ending.end(pid, (signal.SIGTERM, _END_S), (signal.SIGKILL, _END_S)):
        raise CommandFailed("the volume's daemon cannot be ended")
    bury()
    shutil.rmtree(folder, ignore_errors=True)


def bury() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def grow(directory: Path, drive: Drive, size: int) -> None:
    """Have the file as large as the volume is now (bytes). What serves the volume may need a moment to know."""
    folder = _folder(directory, drive)
    pid = pid_of(folder)
    if pid is None:
        raise CommandFailed("the volume is not open here")
    deadline = time.monotonic() + _GROW_S
    while True:
        try:
            os.truncate(_shown(folder, pid), size)
        except OSError as error:
            if time.monotonic() > deadline:
                raise CommandFailed(f"the volume's new size is not seen here: {error}") from None
        else:
            return
        _read(_shown(folder, pid))
        time.sleep(0.5)


def _read(file: Path) -> None:
    """An NBD client learns of a new size when it connects again, and it does so at its next request."""
    descriptor = os.open(file, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, 4096) as buffer, contextlib.suppress(OSError):  # the answer does not matter
            os.preadv(descriptor, [buffer], 0)
    finally:
        os.close(descriptor)
