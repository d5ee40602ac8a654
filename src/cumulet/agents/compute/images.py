"""The images guests share: fetched once, checked against what Image says of them, inspected, then read-only.

An image's data never changes, so its id names the file. What came from a user is opened by QEMU only after
oslo.utils' inspector found it to be of the format it claims, and safe (OSSA-2024-001, OSSA-2024-002).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from oslo_utils.imageutils import format_inspector

from cumulet.agents.compute.image_service import ImageError, ImageService
from cumulet.agents.compute.run import image_tool

_PLAIN: Final = frozenset({"raw", "iso", "ami", "aki", "ari"})
_PLAIN_DATA: Final = frozenset({"raw", "gpt"})  # a partition table is no format of its own
_FOUND_IN: Final = {"iso": frozenset({"iso", "gpt"})}
_CONVERTED: Final = {"qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi", "ploop": "parallels"}


class Base(msgspec.Struct, frozen=True):
    """A shared image: raw, read-only. `size` is what a disk made of it needs at least, in bytes."""

    path: Path
    size: int


class ImageCache:
    """The shared images of one host, in one directory. Several processes may use it at once."""

    def __init__(self, directory: Path, service: ImageService) -> None:
        self._directory = directory
        self.service = service

    def fetch(self, image: dict[str, Any]) -> Base:
        """Have an image here. `image` is as Image shows it. Raises ImageError when it is not what it should be."""
        path = self._path(image["id"])
        if not path.exists():
            self._directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            with self._alone(path):
                if not path.exists():
                    self._make(image, path)
        os.utime(path)
        return Base(path, path.stat().st_size)

    def show(self, image_id: str) -> dict[str, Any]:
        return self.service.show(image_id)

    def has(self, image_id: str) -> bool:
        return self._path(image_id).exists()

    def sweep(self, used: set[str], *, older_than_s: float) -> list[str]:
        """Delete images that no guest uses and that nobody asked for lately. Returns their ids."""
        gone = []
        if not self._directory.is_dir():
            return []
        for entry in list(os.scandir(self._directory)):
            if entry.name.startswith(".") or entry.name in used:
                continue
            if time.time() - entry.stat().st_mtime > older_than_s:
                Path(entry.path).unlink(missing_ok=True)
                gone.append(entry.name)
        return gone

    def _path(self, image_id: str) -> Path:
        if not image_id or "/" in image_id or image_id.startswith("."):
            raise ImageError(f"Image id {image_id!r} cannot be used.")
        return self._directory / image_id

    @contextlib.contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Only one fetches an image; the others wait for it."""
        lock = path.with_name(f".{path.name}.lock")
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        lock.unlink(missing_ok=True)

    def _make(self, image: dict[str, Any], path: Path) -> None:
        part = path.with_name(f".{path.name}.part")
        converted = path.with_name(f".{path.name}.raw")
        try:
            self._download(image, part)
            kind = format_of(image, part)
            if kind in _PLAIN:
                ready = part
            else:
                options = ["-O", "raw", "-S", "64k", "-W", "-m", "4"]
                image_tool("convert", "-f", _CONVERTED[kind], *options, part, converted)
                ready = converted
            ready.chmod(0o444)
            ready.replace(path)
        finally:
            part.unlink(missing_ok=True)
            converted.unlink(missing_ok=True)

    def _download(self, image: dict[str, Any], part: Path) -> None:
        """Raises ImageError when the data is not what Image's hash says."""
        algorithm, wanted = _hash_of(image)
        digest = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in self.service.read(image["id"]):
                if digest is not None:
                    digest.update(piece)
                file.write(piece)
        if digest is not None and not hmac.compare_digest(digest.hexdigest(), wanted):
            raise ImageError(f"Image {image['id']} is damaged: its {algorithm} is not the one it was stored with.")


def _hash_of(image: dict[str, Any]) -> tuple[str | None, str]:
    algorithm, value = image.get("os_hash_algo"), image.get("os_hash_value")
    if algorithm and value and algorithm in hashlib.algorithms_available:
        return str(algorithm), str(value)
    if image.get("checksum"):
        return "md5", str(image["checksum"])
    return None, ""


def format_of(image: dict[str, Any], file: Path) -> str:
    """The format to open it with. Raises ImageError for one that is not what it claims, or that reaches elsewhere."""
    claimed = str(image.get("disk_format") or "raw")
    if claimed not in _PLAIN and claimed not in _CONVERTED:
        raise ImageError(f"Image {image['id']}: disk format {claimed} cannot be run here.")
    try:
        inspector = format_inspector.detect_file_format(str(file))
        found = str(inspector) if inspector is not None else "raw"
        if claimed in _PLAIN:
            if found not in _FOUND_IN.get(claimed, _PLAIN_DATA):
                raise ImageError(f"Image {image['id']} claims to be {claimed} but is {found}.")
            return claimed
        if found != claimed:
            raise ImageError(f"Image {image['id']} claims to be {claimed} but is {found}.")
        if inspector is not None:
            inspector.safety_check()
    except (format_inspector.ImageFormatError, format_inspector.SafetyCheckFailed) as error:
        raise ImageError(f"Image {image['id']} is not accepted: {error}") from None
    return found


def size_in_gb(size: int) -> int:
    return -(-size // (1 << 30))
