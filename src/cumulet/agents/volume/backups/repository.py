"""All backups of a host, or of many that share a store."""

from __future__ import annotations

import bz2
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from cumulet.agents.volume.backups import manifest as contents
from cumulet.agents.volume.backups.manifest import BLOCK, BLOCKS, MANIFEST, ZERO, Manifest, Object
from cumulet.agents.volume.backups.restoring import restore, verify
from cumulet.agents.volume.backups.stores import Directory, Shelf, Store, Write
from cumulet.agents.volume.protocols import BackedUp, Backup, BadBackup, BlockDevice

PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "zlib": lambda data: zlib.compress(data, 1),
    "bz2": bz2.compress,
}
_BLOCKS_AN_OBJECT: Final = 32


class Repository:
    """Backups in `store`, or below a directory. A backup is there whole or not at all."""

    def __init__(self, store: Store | Path, *, algorithm: str = "zlib") -> None:
        if algorithm not in PACKERS:
            raise ValueError(f"backup_compression_algorithm {algorithm} is none of {', '.join(sorted(PACKERS))}")
        self._store = Directory(store) if isinstance(store, Path) else store
        self._algorithm = algorithm

    def back_up(self, wanted: Backup, device: BlockDevice) -> BackedUp:
        """Write a backup of what `device` holds: all of it, or what differs from `wanted.parents`.

        Raises BadBackup when a parent is not what it was.
        """
        container = self._store.container_of(wanted.id)
        data = self._manifest(container)
        if data is None:
            table, parent = self._parent(wanted)
            with self._store.writing(container) as write:
                data = _Writer(write, self._algorithm).write(wanted, device, table, parent)
        made = msgspec.json.decode(data, type=Manifest)
        blocks = -(-made.size // BLOCK) * len(ZERO)
        size = sum(part.bytes for part in made.objects) + len(data) + blocks
        return BackedUp(container, contents.digest_of(data), len(made.objects) + 2, size)

    def _manifest(self, container: str) -> bytes | None:
        """Of a backup that was made already."""
        try:
            return self._store.at(container).read(MANIFEST)
        except FileNotFoundError:
            return None

    def _parent(self, wanted: Backup) -> tuple[bytes, str | None]:
        if not wanted.parents:
            return b"", None
        parent = wanted.parents[-1]
        shelf = self._store.at(parent.container)
        manifest = contents.read(shelf, parent.digest, parent.id)
        return contents.read_blocks(shelf, manifest), parent.digest

    def restore(self, wanted: Backup, device: BlockDevice) -> None:
        """Make the first `wanted.size` bytes of the device what they were. Raises BadBackup before it writes."""
        restore(self._chain(wanted), device)

    def verify(self, wanted: Backup) -> None:
        """Read all of it. Raises BadBackup."""
        verify(self._chain(wanted))

    def _chain(self, wanted: Backup) -> list[tuple[Shelf, str, str]]:
        if wanted.digest is None:
            raise BadBackup(f"Nothing says what backup {wanted.id} has to be.")
        chain = [(self._store.at(part.container), part.id, part.digest) for part in wanted.parents]
        own = self._store.at(wanted.container or self._store.container_of(wanted.id))
        return [*chain, (own, wanted.id, wanted.digest)]

    def delete(self, wanted: Backup) -> None:
        """One that is not there is right too."""
        self._store.delete(wanted.container or self._store.container_of(wanted.id))


class _Writer:
    """Writes one backup's files."""

    def __init__(self, put: Write, algorithm: str) -> None:
        self._put = put
        self._algorithm = algorithm
        self._pack = PACKERS[algorithm]
        self._objects: list[Object] = []

    def write(self, wanted: Backup, device: BlockDevice, before: bytes, parent: str | None) -> bytes:
        """The table of contents, as it was written."""
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
        self._put(BLOCKS, bytes(table))
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
        data = msgspec.json.encode(manifest)
        self._put(MANIFEST, data)
        return data

    def _object(self, blocks: list[tuple[int, bytes]]) -> None:
        data = self._pack(b"".join(data for _, data in blocks))
        name = f"{len(self._objects):08d}"
        self._put(name, data)
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
