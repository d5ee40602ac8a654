"""The root file system in an image or on a volume: found, and taken out of an image without mounting anything."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cumulet.agents.compute.images import Base
from cumulet.agents.compute.run import run

_SECTOR: Final = 512
_EXT_MAGIC: Final = b"\x53\xef"
_EXT_MAGIC_AT: Final = 1080
_NONE: Final = "the disk has no ext file system with an /sbin/init: a container cannot be made of it"


def unpack(base: Base, target: Path) -> None:
    """Copy the tree of the image's file system (the first ext one that has /sbin/init) to `target`.

    Raises ValueError for an image that has none. What is there before is a copy that was interrupted.
    """
    part = target.with_name(f".{target.name}.part")
    for offset in _candidates(base.path):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o755)
        _dump(base.path, offset, part)
        if os.path.lexists(part / "sbin" / "init"):
            part.rename(target)
            return
    shutil.rmtree(part, ignore_errors=True)
    raise ValueError(_NONE)


def _candidates(image: Path) -> Iterator[int]:
    """Byte offsets at which an ext file system begins: the whole disk, or its partitions (MBR)."""
    with image.open("rb") as file:
        table = file.read(_SECTOR)
        entries = [table[446 + 16 * number : 462 + 16 * number] for number in range(4)]
        starts = [0, *(struct.unpack_from("<I", entry, 8)[0] * _SECTOR for entry in entries if len(entry) == 16)]
        for start in dict.fromkeys(starts):
            file.seek(start + _EXT_MAGIC_AT)
            if file.read(2) == _EXT_MAGIC:
                yield start


def _dump(image: Path, offset: int, target: Path) -> None:
    """debugfs reads an image's inodes itself: no mount, no kernel code that a hostile image could harm."""
    _debugfs(image, offset, f'rdump / "{target}"')


def offset_of_root(disk: Path) -> int:
    """The byte at which the file system with /sbin/init begins. Raises ValueError when the disk has none.

    What a running server wrote last may still be in the journal alone, on a volume made from its snapshot: so the maps
    of what is in use, which are whole only afterwards, are not looked at.
    """
    for offset in _candidates(disk):
        if b"Inode:" in _debugfs(disk, offset, "stat /sbin/init", "-c"):
            return offset
    raise ValueError(_NONE)


def _debugfs(disk: Path, offset: int, command: str, *options: str) -> bytes:
    place = f"{disk}?offset={offset}" if offset else disk
    return run(["prlimit", "--cpu=120", "debugfs", *options, "-R", command, place])
