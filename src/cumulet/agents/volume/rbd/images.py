"""A pool's images: what `rbd` is asked for, and what its errors mean.

Clones are of format 2: a snapshot that has clones can be removed, and Ceph keeps what they need until the last is gone.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct, convert

from cumulet.agents.volume import qemu
from cumulet.agents.volume.protocols import InUse, NoSuchSnapshot, NoSuchVolume, Refused
from cumulet.agents.volume.qemu import ToolFailed
from cumulet.agents.volume.rbd.options import RbdOptions
from cumulet.agents.volume.rbd.tools import Tools, copy_limit

GIB: Final = 1 << 30
_BAD: Final = frozenset("/@")


class Parent(Struct):
    """What an image was cloned from."""

    pool: str
    image: str
    id: str


class Image(Struct):
    """`size` in bytes."""

    id: str
    size: int
    snapshot_count: int = 0
    parent: Parent | None = None

    @property
    def size_gb(self) -> int:
        return -(-self.size // GIB)


class Listed(Struct):
    """An image or (with `snapshot`) one of its snapshots."""

    image: str
    size: int
    snapshot: str | None = None


class Snapshot(Struct):
    name: str
    protected: str = "false"


class Images:
    """Raises NoSuchVolume for an image that is not there, except where it says otherwise."""

    def __init__(self, options: RbdOptions) -> None:
        self._options = options
        self.tools = Tools(options)

    def _spec(self, image: str, snapshot: str | None = None) -> str:
        """Raises Refused for a name that would say something else to the tool."""
        for name in (image, snapshot):
            if name is not None and (not name or name.startswith("-") or not _BAD.isdisjoint(name)):
                raise Refused(f"{name!r} is no name of an image.")
        return f"{self._options.pool}/{image}" + (f"@{snapshot}" if snapshot else "")

    # -- looking ---------------------------------------------------------------------------------------------------

    def find(self, image: str, snapshot: str | None = None) -> Image | None:
        with contextlib.suppress(NoSuchVolume), _missing():
            return convert(self.tools.ask("info", self._spec(image, snapshot)), Image)
        return None

    def get(self, image: str) -> Image:
        found = self.find(image)
        if found is None:
            raise NoSuchVolume(f"There is no image {image} in pool {self._options.pool}.")
        return found

    def depth(self, image: str) -> int:
        """How many images it stands upon."""
        parent, deep = self.get(image).parent, 0
        while parent is not None and deep <= self._options.max_clone_depth:
            deep += 1
            said = self.tools.ask("info", "--pool", parent.pool, "--image-id", parent.id)
            parent = convert(said, Image).parent
        return deep

    def names(self) -> list[str]:
        return convert(self.tools.ask("ls", self._options.pool), list[str])

    def listed(self, limit_s: float | None = None) -> list[Listed]:
        """All images and snapshots, each of which is opened for it."""
        return convert(self.tools.ask("ls", "-l", self._options.pool, limit_s=limit_s), list[Listed])

    def snapshots(self, image: str) -> list[Snapshot]:
        with _missing():
            return convert(self.tools.ask("snap", "ls", self._spec(image)), list[Snapshot])

    def is_open(self, image: str) -> bool:
        """Whether a client has it open for writing, or had until it died less than half a minute ago."""
        with _missing():
            return bool(self.tools.ask("status", self._spec(image))["watchers"])

    def notes(self, image: str) -> dict[str, str]:
        with _missing():
            return convert(self.tools.ask("image-meta", "ls", self._spec(image)) or {}, dict[str, str])

    # -- images ----------------------------------------------------------------------------------------------------

    def create(self, image: str, size_gb: int) -> bool:
        """Whether there was none, nor a part of one."""
        given = ("--size", f"{size_gb}G", "--object-size", f"{self._options.object_mb}M")
        return self._made("create", self._spec(image), *given)

    def fill(self, image: str, size_gb: int, file: Path, format_: Literal["raw", "qcow2"]) -> None:
        """An empty one, with the contents of a stranger's file."""
        node = {"driver": "raw", "file": self.tools.node(image, writable=True)}
        target = f"json:{msgspec.json.encode(node).decode()}"
        given = ("-n", "--target-is-zero", "-f", format_, "-O", "raw", file, target)
        qemu.img("convert", *given, foreign=True, timeout_s=copy_limit(size_gb))

    def clone(self, image: str, snapshot: str, to: str) -> bool:
        """Whether there was no image `to`, nor a part of one. Raises NoSuchSnapshot."""
        given = ("--rbd-default-clone-format", "2", "--object-size", f"{self._options.object_mb}M")
        try:
            with _missing():
                return self._made("clone", *given, self._spec(image, snapshot), self._spec(to))
        except NoSuchVolume:
            raise NoSuchSnapshot(f"There is no snapshot {snapshot} of image {image}.") from None

    def flatten(self, image: str, size_gb: int) -> None:
        self.tools.change("flatten", "--no-progress", self._spec(image), limit_s=copy_limit(size_gb))

    def grow(self, image: str, size_gb: int) -> Image:
        """To so many GiB, if it has less."""
        found = self.get(image)
        if found.size >= size_gb * GIB:
            return found
        self.tools.change("resize", "--no-progress", "--size", f"{size_gb}G", self._spec(image))
        found.size = size_gb * GIB
        return found

    def rename(self, image: str, to: str) -> None:
        with _missing():
            self.tools.change("rename", self._spec(image), self._spec(to))

    def remove(self, image: str, size_gb: int) -> bool:
        """Whether it is gone; False when clones or snapshots of it are there. Raises InUse.

        Of one whose removal or creation was interrupted there may be a part, which `find` does not see.
        """
        try:
            self.tools.change("rm", "--no-progress", self._spec(image), limit_s=copy_limit(size_gb))
        except ToolFailed as error:
            if error.code == errno.EBUSY:
                raise InUse(f"Somebody has image {image} open.") from None
            if error.code not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
            return error.code == errno.ENOENT
        return True

    def note(self, image: str, name: str, value: str) -> None:
        with _missing():
            self.tools.change("image-meta", "set", self._spec(image), name, value)

    def forget(self, image: str, name: str) -> None:
        """One that is not noted, or of no image, is right too."""
        with contextlib.suppress(NoSuchVolume), _missing():
            self.tools.change("image-meta", "rm", self._spec(image), name)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def take(self, image: str, snapshot: str) -> bool:
        """Whether it is a new one; False for one that is there already, which stays what it is."""
        with _missing():
            return self._made("snap", "create", "--no-progress", self._spec(image, snapshot))

    def _made(self, *arguments: str) -> bool:
        """Whether there was none before."""
        try:
            self.tools.change(*arguments)
        except ToolFailed as error:
            if error.code != errno.EEXIST:
                raise
            return False
        return True

    def drop(self, image: str, snapshot: str) -> None:
        """One that is not there is right too."""
        with contextlib.suppress(NoSuchVolume), _missing():
            self.tools.change("snap", "rm", "--no-progress", self._spec(image, snapshot))

    def release(self, image: str, snapshot: str) -> None:
        """Take the protection away that clones of format 1 need, after those became images of their own."""
        spec = self._spec(image, snapshot)
        for child in self.tools.ask("children", spec):
            self.tools.change("flatten", "--no-progress", f"{child['pool']}/{child['image']}", limit_s=copy_limit(1024))
        self.tools.change("snap", "unprotect", spec)

    def rename_snapshot(self, image: str, snapshot: str, to: str) -> None:
        try:
            with _missing():
                self.tools.change("snap", "rename", self._spec(image, snapshot), self._spec(image, to))
        except NoSuchVolume:
            raise NoSuchSnapshot(f"Image {image} has no snapshot {snapshot}.") from None

    def extents(self, image: str, snapshot: str | None, size: int) -> Iterator[tuple[int, int]]:
        """`(offset, length)` of the objects that it or what it was cloned from has. Asked here, since QEMU knows them
        for images alone that are no clones."""
        limit_s = copy_limit(-(-size // GIB))
        for one in self.tools.ask("diff", "--whole-object", self._spec(image, snapshot), limit_s=limit_s):
            if one["exists"] == "true":
                yield one["offset"], min(one["length"], size - one["offset"])

    def roll_back(self, image: str, snapshot: str, size_gb: int) -> None:
        spec = self._spec(image, snapshot)
        self.tools.change("snap", "rollback", "--no-progress", spec, limit_s=copy_limit(size_gb))


@contextlib.contextmanager
def _missing() -> Iterator[None]:
    """Raises NoSuchVolume when the tool says ENOENT."""
    try:
        yield
    except ToolFailed as error:
        if error.code == errno.ENOENT:
            raise NoSuchVolume(str(error)) from None
        raise
