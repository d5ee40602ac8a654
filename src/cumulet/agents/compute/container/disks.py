"""A container's own disks, raw files: the root as an ext4 file system made of the image's tree, and the others.

The image's file system itself is never mounted: its tree is taken out (rootfs) and put into one that this host made.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cumulet.agents.compute import config_drive
from cumulet.agents.compute.config import HostConfig
from cumulet.agents.compute.container import rootfs
from cumulet.agents.compute.images import Base, ImageCache, size_in_gb
from cumulet.agents.compute.protocols import Guest
from cumulet.agents.compute.run import run

GB: Final = 1 << 30
ROOT, CONFIG, RESCUE = "disk", "disk.config", "disk.rescue"
_SPARE_MB: Final = 16
_MAKE: Final = ("-q", "-F", "-t", "ext4", "-L", "guestroot")
_LAZY: Final = "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard"


def make_root(
    directory: Path, name: str, images: ImageCache, config: HostConfig, image: dict[str, Any], gb: int
) -> None:
    """A copy of the image's tree in a file system of `gb` GB, 0: as large as the image. One that is there stays.

    Raises ValueError when the image needs more than the flavor gives.
    """
    if (directory / name).exists():
        return
    base = images.fetch(image)
    if gb and base.size > gb * GB:
        raise ValueError(
            f"Flavor's disk is too small for requested image. Flavor disk is {gb * GB} bytes, "
            f"image is {base.size} bytes ({size_in_gb(base.size)} GB)."
        )
    part = directory / f".{name}.part"
    copy(_file_system(base, str(image["id"]), config, gb), part)
    part.replace(directory / name)


def _file_system(base: Base, image_id: str, config: HostConfig, gb: int) -> Path:
    """Made once for all guests of an image and a size."""
    made = config.cache / f".{image_id}.{gb}.ext4"
    with _alone(config.cache / f".{image_id}.tree.lock"):
        if not made.exists():
            tree, part = config.cache / f".{image_id}.tree", made.with_name(f"{made.name}.part")
            try:
                rootfs.unpack(base, tree)
                used = sum(entry.lstat().st_size for entry in tree.rglob("*")) >> 20
                mb = gb * 1024 or max(base.size >> 20, used + used // 4 + _SPARE_MB)
                part.unlink(missing_ok=True)
                run(["mke2fs", *_MAKE, "-E", _LAZY, "-d", tree, part, f"{mb}M"], timeout_s=600.0)
                part.chmod(0o400)
                part.replace(made)
            finally:
                shutil.rmtree(tree, ignore_errors=True)
    return made


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one makes it; the others wait."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep(config: HostConfig, images: ImageCache) -> None:
    """File systems of images that this host no longer has."""
    for file in config.cache.glob(".*.ext4"):
        if not images.has(file.name[1:].split(".")[0]):
            file.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    run(["cp", "--reflink=auto", "--sparse=always", source, target], timeout_s=3600.0)
    target.chmod(0o600)


def grow(file: Path, gb: int) -> None:
    """A larger root disk with its file system; nothing happens to one that is as large."""
    if file.stat().st_size >= gb * GB:
        return
    run(["e2fsck", "-f", "-p", file], timeout_s=3600.0, good=(0, 1))
    with file.open("r+b") as opened:
        opened.truncate(gb * GB)
    run(["resize2fs", file], timeout_s=3600.0)


def make_config_drive(directory: Path, guest: Guest) -> None:
    """As an ext2 file system, which is what the host's kernel can surely mount for a container."""
    tree, part = directory / ".config", directory / f".{CONFIG}.part"
    shutil.rmtree(tree, ignore_errors=True)
    try:
        size = 0
        for name, content in config_drive.decoded(guest.drive).items():
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            size += len(content)
        part.unlink(missing_ok=True)
        options = ["-q", "-F", "-t", "ext2", "-m", "0", "-L", "config-2", "-E", "root_owner=0:0"]
        run(["mke2fs", *options, "-d", tree, part, f"{(size * 2 >> 20) + 2}M"])
        part.chmod(0o600)
        part.replace(directory / CONFIG)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
