"""The directory of all backups of a host, or of many that mount it."""

from __future__ import annotations

import bz2
import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.volume.backups import manifest as contents
from cumulet.agents.volume.backups.manifest import BLOCK, BLOCKS, MANIFEST, ZERO, Manifest, Object
from cumulet.agents.volume.backups.restoring import restore, verify
from cumulet.agents.volume.durable import sync_directory, write_durably
from cumulet.agents.volume.protocols import BackedUp, Backup, BadBackup, BlockDevice

PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "zlib": lambda data: zlib.compress(data, 1),
    "bz2": bz2.compress,
}
_BLOCKS_AN_OBJECT: Final = 32


class Repository:
    """Backups below `root`. A backup is there whole or not at all: it is written aside and renamed at its end."""

    def __init__(self, root: Path, *, algorithm: str = "zlib") -> None:
        if algorithm not in PACKERS:
            raise ValueError(f"backup_compression_algorithm {algorithm} is none of {', '.join(sorted(PACKERS))}")
        self._root = root
        self._algorithm = algorithm

    def back_up(self, wanted: Backup, device: BlockDevice) -> BackedUp:
        """Write a backup of what `device` holds: all of it, or what differs from `wanted.parents`.

        Raises BadBackup when a parent is not what it was.
        """
        folder = self._folder(_container(wanted.id))
        if not (folder / MANIFEST).exists():
            table, parent = self._parent(wanted)
            aside = folder.with_name(f".{folder.name}.new")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(mode=0o700, parents=True)
            _Writer(aside, self._algorithm).write(wanted, device, table, parent)
            sync_directory(aside)
            aside.replace(folder)
            sync_directory(folder.parent)
        data = (folder / MANIFEST).read_bytes()
        made = msgspec.json.decode(data, type=Manifest)
        size = sum(part.bytes for part in made.objects) + len(data) + (folder / BLOCKS).stat().st_size
        return BackedUp(_container(wanted.id), contents.digest_of(data), len(made.objects) + 2, size)

    def _parent(self, wanted: Backup) -> tuple[bytes, str | None]:
        if not wanted.parents:
            return b"", None
        parent = wanted.parents[-1]
        folder = self._folder(parent.container)
        manifest = contents.read(folder, parent.digest, parent.id)
        return contents.read_blocks(folder, manifest), parent.digest

    def restore(self, wanted: Backup, device: BlockDevice) -> None:
        """Make the first `wanted.size` bytes of the device what they were. Raises BadBackup before it writes."""
        restore(self._chain(wanted), device)

    def verify(self, wanted: Backup) -> None:
        """Read all of it. Raises BadBackup."""
        verify(self._chain(wanted))

    def _chain(self, wanted: Backup) -> list[tuple[Path, str, str]]:
        if wanted.digest is None:
            raise BadBackup(f"Nothing says what backup {wanted.id} has to be.")
        chain = [(self._folder(part.container), part.id, part.digest) for part in wanted.parents]
        return [*chain, (self._folder(wanted.container or _container(wanted.id)), wanted.id, wanted.digest)]

    def delete(self, wanted: Backup) -> None:
        """One that is not there is right too."""
        folder = self._folder(wanted.container or _container(wanted.id))
        for path in (folder, folder.with_name(f".{folder.name}.new")):
            if path.exists():
                gone = path.with_name(f".{path.name}.gone")
                shutil.rmtree(gone, ignore_errors=True)
                path.replace(gone)
                shutil.rmtree(gone)

    def _folder(self, container: str) -> Path:
        """Raises BadBackup for a container that leads elsewhere (an imported record may say anything)."""
        folder = (self._root / container).resolve()
        if not folder.is_relative_to(self._root.resolve()) or folder == self._root.resolve():
            raise BadBackup("The backup's container is outside of the directory of backups.")
        return folder


def _container(backup_id: str) -> str:
    return str(Path(backup_id[:2]) / backup_id[2:4] / backup_id)


class _Writer:
    """Writes one backup's files."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        self._folder = folder
        self._algorithm = algorithm
        self._pack = PACKERS[algorithm]
        self._objects: list[Object] = []

    def write(self, wanted: Backup, device: BlockDevice, before: bytes, parent: str | None) -> None:
        table = bytearray(-(-device.size // BLOCK) * len(ZERO))
        waiting: list[tuple[int, bytes]] = []
        for number in _blocks_with_data(device):
            data = device.read(number * BLOCK, min(BLOCK, device.size - number * BLOCK))
            if not data.strip(b"\0"):
                continue
            checksum = hashlib.sha256(data).digest()
            place = slice(number * len(ZERO), (number + 1) * len(ZERO))
            table[place] = checksum
            if before[place] == checksum:
                continue
            waiting.append((number, data))
            if len(waiting) == _BLOCKS_AN_OBJECT:
                self._object(waiting)
                waiting = []
        if waiting:
            self._object(waiting)
        write_durably(self._folder / BLOCKS, bytes(table))
        manifest = Manifest(
            version=1,
            backup_id=wanted.id,
            volume_id=wanted.volume_id,
            size=device.size,
            algorithm=self._algorithm,
            parent=parent,
            blocks_sha256=contents.digest_of(bytes(table)),
            objects=self._objects,
        )
        write_durably(self._folder / MANIFEST, msgspec.json.encode(manifest))

    def _object(self, blocks: list[tuple[int, bytes]]) -> None:
        data = self._pack(b"".join(data for _, data in blocks))
        name = f"{len(self._objects):08d}"
        write_durably(self._folder / name, data)
        self._objects.append(Object(name, len(data), contents.digest_of(data), list(_runs(blocks))))


def _blocks_with_data(device: BlockDevice) -> Iterator[int]:
    last = -1
    for offset, length in device.extents():
        first = max(last + 1, offset // BLOCK)
        last = max(last, (offset + length - 1) // BLOCK)
        yield from range(first, last + 1)


def _runs(blocks: list[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
    start, count = blocks[0][0], 0
    for number, _ in blocks:
        if number != start + count:
            yield start, count
            start, count = number, 0
        count += 1
    yield start, count
