"""A container's root file system: taken out of an image without mounting anything, and put back into one."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cumulet.agents.compute.images import Base
from cumulet.agents.compute.run import image_tool, run

_SECTOR: Final = 512
_EXT_MAGIC: Final = b"\x53\xef"
_EXT_MAGIC_AT: Final = 1080
_SPARE_MB: Final = 16


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
    raise ValueError("the image has no ext file system with an /sbin/init: a container cannot be made of it")


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
    source = image
    if offset:
        source = target.with_name(f"{target.name}.fs")
        image_tool("convert", "-O", "raw", "--image-opts", _window(image, offset), source)
    try:
        run(["prlimit", "--cpu=120", "debugfs", "-R", f'rdump / "{target}"', source])
    finally:
        if source is not image:
            source.unlink(missing_ok=True)


def _window(image: Path, offset: int) -> str:
    return f"driver=raw,offset={offset},file.driver=file,file.filename={str(image).replace(',', ',,')}"


def clone(source: Path, target: Path, first_id: int) -> None:
    """A guest's own copy, owned by the ids its user namespace has."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    run(["cp", "-a", "--reflink=auto", source, part], timeout_s=600.0)
    shift(part, first_id)
    (part / "tmp").chmod(0o1777)
    part.rename(target)


def shift(root: Path, by: int) -> None:
    """Add to the owner of everything below. Modes are set again: a change of owner takes set-id bits away."""
    for entry in [root, *root.rglob("*")]:
        found = entry.lstat()
        os.lchown(entry, found.st_uid + by, found.st_gid + by)
        if found.st_mode & 0o6000 and not entry.is_symlink():
            entry.chmod(found.st_mode & 0o7777)


def pack(root: Path, by: int, image: Path, size_mb: int) -> None:
    """The tree as a raw image with one ext4 file system, owned as in the container. `size_mb` at least."""
    part = image.with_name(f".{image.name}.tree")
    shutil.rmtree(part, ignore_errors=True)
    try:
        run(["cp", "-a", "--reflink=auto", root, part], timeout_s=600.0)
        shift(part, -by)
        used = sum(entry.lstat().st_size for entry in part.rglob("*")) >> 20
        size = max(size_mb, used + used // 4 + _SPARE_MB)
        options = ["-q", "-F", "-t", "ext4", "-L", "guestroot", "-E", "root_owner=0:0,lazy_itable_init=1"]
        run(["mke2fs", *options, "-d", part, image, f"{size}M"], timeout_s=600.0)
    finally:
        shutil.rmtree(part, ignore_errors=True)
