"""A guest on its host: one directory with its disks, sockets and console log, and a record of what it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from cumulet.agents.compute.protocols import Guest, NoSuchGuest

RECORD = "guest.json"
CONSOLE_LOG = "console.log"


class Drive(Struct):
    """A disk as the guest sees it. `slot` is its place on the bus and stays; `node` is how QEMU opens it."""

    id: str
    slot: int
    node: dict[str, Any]
    bus: str = "virtio"
    kind: str = "disk"  # disk, cdrom
    serial: str = ""
    boot: int | None = None
    readonly: bool = False
    objects: list[dict[str, Any]] = field(default_factory=list)  # QEMU's credentials objects that the node names
    keys: dict[str, str] = field(default_factory=dict)  # what their files hold, by directory
    volume_id: str | None = None
    device: str = ""  # as Nova names it: /dev/vdb
    limits: dict[str, int] = field(default_factory=dict)  # of bytes and requests a second, by QEMU's names


class Card(Struct):
    """A network card."""

    port_id: str
    mac: str
    slot: int
    mtu: int = 1500
    model: str = "virtio"
    queues: int = 1


class Record(Struct):
    """What a host remembers of a guest. `wanted` is the power state it is to have after the host was started again.

    `machine` holds what was chosen when it was built (type, cpu, firmware), so that it stays the same machine.
    """

    guest: Guest
    state: str = "building"  # then "built"
    wanted: str = "running"  # running, stopped, paused, suspended
    boot_id: str = ""  # the host's run in which it was last started
    machine: dict[str, Any] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    kernel: dict[str, str] = field(default_factory=dict)  # kernel, ramdisk, append
    rescue: dict[str, Any] = field(default_factory=dict)  # what it was before it was rescued
    leaving: bool = False  # its memory is on the way to another host
    moved_to: str = ""  # its disks are kept here only for a return

    @property
    def id(self) -> str:
        return self.guest.id


def save(directory: Path, record: Record) -> None:
    """Replace the record in one step, so that a killed agent leaves the old one or the new one."""
    temporary = directory / f"{RECORD}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / RECORD)


def load(directory: Path) -> Record:
    return msgspec.json.decode((directory / RECORD).read_bytes(), type=Record)


class Folders:
    """The guests of a host, each with a lock: one thing at a time is done to a guest."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()

    def of(self, server_id: str) -> Path:
        """Raises ValueError for what cannot be a server's id: it becomes a path."""
        if not server_id or "/" in server_id or server_id.startswith((".", "_")):
            raise ValueError(f"not a server id: {server_id!r}")
        return self.root / server_id

    @contextlib.contextmanager
    def locked(self, server_id: str, *, within_s: float = -1) -> Iterator[Path]:
        """Raises TimeoutError when somebody is at work on the guest for longer than `within_s` (-1: waits for ever)."""
        with self._guard:
            lock = self._locks.setdefault(server_id, threading.RLock())
        if not lock.acquire(timeout=within_s):
            raise TimeoutError(f"somebody is at work on guest {server_id}")
        try:
            yield self.of(server_id)
        finally:
            lock.release()

    def load(self, server_id: str) -> Record:
        """Raises NoSuchGuest."""
        try:
            return load(self.of(server_id))
        except FileNotFoundError:
            raise NoSuchGuest(f"there is no guest {server_id}") from None

    def find(self, server_id: str) -> Record | None:
        try:
            return self.load(server_id)
        except NoSuchGuest:
            return None

    def all(self) -> list[Record]:
        if not self.root.is_dir():
            return []
        names = sorted(entry.name for entry in os.scandir(self.root) if entry.name[:1] not in "._")
        return [record for name in names if (record := self.find(name)) is not None]

    def save(self, record: Record) -> None:
        save(self.of(record.id), record)

    def make(self, server_id: str) -> Path:
        directory = self.of(server_id)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)  # whatever the umask: a container's users step through, but cannot look
        return directory

    def remove(self, server_id: str) -> None:
        """Its directory with all there is. The record goes first: a removal that was interrupted is no guest."""
        directory = self.of(server_id)
        (directory / RECORD).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(directory)
        with self._guard:
            self._locks.pop(server_id, None)


def boot_id() -> str:
    """Which run of the host this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
