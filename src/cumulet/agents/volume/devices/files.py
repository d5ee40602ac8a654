"""Raw files and block devices as plain bytes, holes kept."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_COPY: Final = 4 << 20
_PUNCH: Final = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_ZEROS: Final = bytes(_COPY)


class FileDevice:
    """A raw file or a block device. A missing end of a file reads as zeros up to `size`."""

    def __init__(self, path: Path, size: int, *, writable: bool = False) -> None:
        self.size = size
        self._file = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)

    def __enter__(self) -> FileDevice:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._file, length, offset)
        return data if len(data) == length else data + bytes(min(length, max(0, self.size - offset)) - len(data))

    def write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._file, view, offset)
            offset += done
            view = view[done:]

    def zero(self, offset: int, length: int) -> None:
        end = os.lseek(self._file, 0, os.SEEK_END)
        length = min(length, max(0, end - offset))
        if length and not _punch(self._file, offset, length):
            for start in range(offset, offset + length, _COPY):
                self.write(start, _ZEROS[: min(_COPY, offset + length - start)])

    def flush(self) -> None:
        os.fsync(self._file)

    def extents(self) -> Iterator[tuple[int, int]]:
        position = 0
        while position < self.size:
            try:
                start = os.lseek(self._file, position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole is left
                    return
                if error.errno == errno.EINVAL:  # a device that knows no holes
                    yield position, self.size - position
                    return
                raise
            end = os.lseek(self._file, start, os.SEEK_HOLE)
            if start >= self.size or end <= start:
                return
            yield start, min(end, self.size) - start
            position = end


def _punch(file: int, offset: int, length: int) -> bool:
    """Make a hole. False where the file system or device has none."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.fallocate(file, _PUNCH, ctypes.c_long(offset), ctypes.c_long(length)) == 0)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file with its holes, whole or not at all; the copy is not flushed to the disk."""
    temporary = target.with_name(f".{target.name}.copy")
    size = source.stat().st_size
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.touch(0o600)
    os.truncate(temporary, size)
    with FileDevice(source, size) as reader, FileDevice(temporary, size, writable=True) as writer:
        for start, length in reader.extents():
            for offset in range(start, start + length, _COPY):
                writer.write(offset, reader.read(offset, min(_COPY, start + length - offset)))
    temporary.replace(target)
