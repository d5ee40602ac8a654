"""Images as files in a directory, on a local disk or a network file system.

A file is written under a temporary name in `.incoming` of the same directory, synced, and renamed to the image's id:
whoever reads that name sees all of the data or none. The writer holds a lock on its temporary file, so that a file
without a living writer is known by its lock being free, whichever host it was written from.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from cumulet.image.stores.base import DataNotFound, Reader, StoreError, StoreFull, Writer

_INCOMING = ".incoming"
_WRITE_BACK = 8 << 20  # bytes: how often the disk is set to work, so that little is left to wait for at the end
_DROP = os.POSIX_FADV_DONTNEED
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileStore:
    """A directory of images. `file_mode` are the permission bits of new files."""

    kind = "file"
    read_only = False

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        description: str | None = None,
        weight: int = 0,
        file_mode: int = 0o600,
        thin: bool = False,
        chunk_size: int = 64 << 10,
    ) -> None:
        self.name = name
        self.directory = Path(os.path.abspath(directory))  # noqa: PTH100 - links in it are the operator's business
        self.description = description
        self.weight = weight
        self._mode = file_mode
        self._thin = thin
        self._chunk_size = chunk_size

    def writer(self, image_id: str) -> Writer:
        self._make_directories()
        return FileWriter(self.path(image_id), self.directory / _INCOMING, mode=self._mode, thin=self._thin)

    def url_for(self, image_id: str) -> str:
        return "file://" + quote(str(self.path(image_id)))

    def open(self, url: str, *, offset: int = 0, length: int | None = None) -> Reader:
        return FileReader(self._existing(url), offset, length)

    def size(self, url: str) -> int | None:
        return self._existing(url).stat().st_size

    def detach(self, url: str) -> Callable[[], None]:
        path = self._path_of(url)
        if not os.path.lexists(path):
            return lambda: None  # not even the directory need be there
        self._make_directories()
        aside = self.directory / _INCOMING / f"{path.name}.{uuid.uuid4().hex}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return lambda: None
        except OSError as error:
            raise StoreError(f"The image data cannot be deleted: {error.strerror}.") from error
        return lambda: aside.unlink(missing_ok=True)

    def claims(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme not in ("file", "filesystem") or parts.netloc:
            return False
        return Path(os.path.normpath(unquote(parts.path))).parent == self.directory

    def sweep(self, *, older_than_s: float) -> int:
        removed = 0
        incoming = self.directory / _INCOMING
        if not incoming.is_dir():
            return 0
        for path in incoming.iterdir():
            removed += _remove_if_abandoned(path, time.time() - older_than_s)
        return removed

    def properties(self) -> dict[str, Any]:
        return {
            "data_dir": str(self.directory),
            "chunk_size": self._chunk_size,
            "thin_provisioning": self._thin,
        }

    def path(self, image_id: str) -> Path:
        if "/" in image_id or image_id in ("", ".", ".."):
            raise StoreError(f"{image_id!r} cannot be the name of a file.")
        return self.directory / image_id

    def _make_directories(self) -> None:
        try:
            (self.directory / _INCOMING).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"The store {self.name} cannot be written to: {error.strerror}.") from error

    def _path_of(self, url: str) -> Path:
        if not self.claims(url):
            raise DataNotFound(f"{url} is not in the store {self.name}.")
        return Path(os.path.normpath(unquote(urlsplit(url).path)))

    def _existing(self, url: str) -> Path:
        path = self._path_of(url)
        if not path.is_file():
            raise DataNotFound("Image data was not found in the store.")
        return path


class FileWriter:
    """Data on its way into a file."""

    def __init__(self, target: Path, incoming: Path, *, mode: int, thin: bool) -> None:
        self._target = target
        self._temporary = incoming / f"{target.name}.{uuid.uuid4().hex}"
        self._thin = thin
        self._length = 0
        self._on_its_way = 0
        self._published = False
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self._temporary, flags, mode)
            # Taken at once: a file whose lock is free has no writer any more.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(f"Insufficient permissions on image storage media: {error.strerror}.") from error

    @property
    def url(self) -> str:
        return "file://" + quote(str(self._target))

    def write(self, chunk: bytes) -> None:
        try:
            if self._thin and chunk[:1] == b"\0" and chunk == bytes(len(chunk)):  # many times faster than a search
                os.lseek(self._descriptor, len(chunk), os.SEEK_CUR)
            else:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise self._told(error) from error
        self._length += len(chunk)
        if self._length - self._on_its_way >= _WRITE_BACK:
            # On Linux this begins to write the range without waiting; what is still dirty stays in memory.
            os.posix_fadvise(self._descriptor, self._on_its_way, self._length - self._on_its_way, _DROP)
            self._on_its_way = self._length

    def flush(self) -> None:
        try:
            if self._thin:
                os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._told(error) from error

    def publish(self) -> None:
        if self._published:
            return
        try:
            self._temporary.rename(self._target)
            _sync_directory(self._target.parent)
        except OSError as error:
            raise self._told(error) from error
        self._published = True
        os.close(self._descriptor)

    def abort(self) -> None:
        if self._published or self._descriptor < 0:
            return
        self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _told(self, error: OSError) -> StoreError:
        if error.errno in _FULL:
            return StoreFull(f"Image storage media is full: {error.strerror}")
        return StoreError(f"The image data could not be written: {error.strerror}.")


class FileReader:
    """A range of a file."""

    def __init__(self, path: Path, offset: int, length: int | None) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise DataNotFound("Image data was not found in the store.") from error
        except OSError as error:
            raise StoreError(f"The image data cannot be read: {error.strerror}.") from error
        self._position = offset
        size = os.fstat(self._descriptor).st_size
        self._end = size if length is None else min(size, offset + length)

    def read(self, size: int) -> bytes:
        wanted = min(size, self._end - self._position)
        if wanted <= 0:
            return b""
        data = os.pread(self._descriptor, wanted, self._position)
        if not data:
            raise StoreError("The image data breaks off.")
        self._position += len(data)
        return data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_abandoned(path: Path, before: float) -> int:
    """Unlink a temporary file that nobody writes any more. Returns 1 if it did."""
    try:
        if path.stat().st_mtime > before:
            return 0  # it may have been created this instant, and not be locked yet
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # NFS locks only what may be written
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return 0
    finally:
        os.close(descriptor)
    return 1
