"""Restoring: everything is checked before the first byte is written, and every block again when it is."""

from __future__ import annotations

import bz2
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cumulet.agents.volume.backups import manifest as contents
from cumulet.agents.volume.backups.manifest import BLOCK, ZERO, Manifest, Object
from cumulet.agents.volume.backups.stores import Shelf
from cumulet.agents.volume.protocols import BadBackup, BlockDevice

_MOST: Final = 64 << 20  # bytes an object may unpack to


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST)


def _bunzip(data: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, _MOST)


UNPACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"none": bytes, "zlib": _inflate, "bz2": _bunzip}


class _Part(NamedTuple):
    """One backup of the chain."""

    shelf: Shelf
    manifest: Manifest


def restore(chain: Sequence[tuple[Shelf, str, str]], device: BlockDevice) -> None:
    """Write what the last of `chain` (shelf, id, digest; oldest first) held. Raises BadBackup before anything is
    written."""
    last, table, plan = _verified(chain)
    if last.manifest.size > device.size:
        raise BadBackup("The volume is smaller than the backup.")
    for number in range(len(table) // len(ZERO)):
        if table[number * 32 : number * 32 + 32] == ZERO:
            offset = number * BLOCK
            device.zero(offset, min(BLOCK, last.manifest.size - offset))
    for take in plan:
        _write(take, table, last.manifest.size, device)
    device.flush()


def verify(chain: Sequence[tuple[Shelf, str, str]]) -> None:
    """Read everything that a restoration needs. Raises BadBackup."""
    _verified(chain)


def _verified(chain: Sequence[tuple[Shelf, str, str]]) -> tuple[_Part, bytes, list[_Take]]:
    parts = _checked(chain)
    table = contents.read_blocks(parts[-1].shelf, parts[-1].manifest)
    plan = _plan(parts, table)
    for take in plan:
        _object(take)
    return parts[-1], table, plan


def _checked(chain: Sequence[tuple[Shelf, str, str]]) -> list[_Part]:
    parts: list[_Part] = []
    before: str | None = None
    for shelf, backup_id, digest in chain:
        manifest = contents.read(shelf, digest, backup_id)
        if manifest.parent != before or manifest.algorithm not in UNPACKERS:
            raise BadBackup(f"Backup {backup_id} does not build upon the one before it.")
        parts.append(_Part(shelf, manifest))
        before = digest
    return parts


class _Take(NamedTuple):
    """Which blocks to take out of which object of which backup."""

    part: _Part
    piece: Object
    blocks: set[int]


def _plan(parts: list[_Part], table: bytes) -> list[_Take]:
    """Each block that is not zero, out of the newest backup that holds it."""
    missing = {number for number in range(len(table) // 32) if table[number * 32 : number * 32 + 32] != ZERO}
    found: list[_Take] = []
    for part in reversed(parts):
        for piece in part.manifest.objects:
            here = missing & {number for first, count in piece.runs for number in range(first, first + count)}
            if here:
                found.append(_Take(part, piece, here))
                missing -= here
    if missing:
        raise BadBackup(f"{len(missing)} blocks are in none of the backups that this one builds upon.")
    return found


def _object(take: _Take) -> bytes:
    """An object's file as it is. Raises BadBackup when it is not what it was."""
    backup_id, piece = take.part.manifest.backup_id, take.piece
    if Path(piece.name).name != piece.name:
        raise BadBackup(f"Backup {backup_id} names a file outside of it.")
    try:
        data = take.part.shelf.read(piece.name)
    except OSError:
        raise BadBackup(f"Part {piece.name} of backup {backup_id} is missing.") from None
    if len(data) != piece.bytes or not hmac.compare_digest(contents.digest_of(data), piece.sha256):
        raise BadBackup(f"Part {piece.name} of backup {backup_id} was torn or altered.")
    return data


def _write(take: _Take, table: bytes, size: int, device: BlockDevice) -> None:
    data = memoryview(UNPACKERS[take.part.manifest.algorithm](_object(take)))
    position = 0
    for first, count in take.piece.runs:
        for number in range(first, first + count):
            block = data[position : position + min(BLOCK, take.part.manifest.size - number * BLOCK)]
            position += len(block)
            if number not in take.blocks:
                continue
            if hashlib.sha256(block).digest() != table[number * 32 : number * 32 + 32]:
                raise BadBackup(f"Block {number} of backup {take.part.manifest.backup_id} is another one.")
            device.write(number * BLOCK, bytes(block))
