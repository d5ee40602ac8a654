"""Taking data in: inspected, limited, hashed and written in one pass, with the memory of a few chunks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from cumulet.image.stores.base import Writer
from cumulet.image.transfer.hashing import Hashes
from cumulet.image.transfer.inspection import Inspection, Source

CHUNK = 1 << 20
_PROGRESS_S = 10.0


class TooLarge(Exception):
    """More data than `limit` bytes came."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


class Received(NamedTuple):
    """What was taken in. `virtual_size` is None where the format has none."""

    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str
    virtual_size: int | None


Progress = Callable[[int], None]
"""Called now and then with the bytes so far. Raises to end the transfer."""


def receive(
    source: Inspection, writer: Writer, *, algorithm: str, limit: int | None, progress: Progress | None = None
) -> Received:
    """Read a source to its end into a writer and bring it to the medium; publishing is left to the caller.

    Raises TooLarge, inspection.Unacceptable, base.StoreError and what source and progress raise.
    """
    size = 0
    next_progress = time.monotonic() + _PROGRESS_S
    with Hashes(algorithm) as hashes:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if limit is not None and size > limit:
                raise TooLarge(limit)
            hashes.update(chunk)
            writer.write(chunk)
            if progress is not None and time.monotonic() >= next_progress:
                progress(size)
                next_progress = time.monotonic() + _PROGRESS_S
        virtual_size = source.finish()
        writer.flush()
    return Received(size, hashes.checksum, algorithm, hashes.value, virtual_size)


def copy(source: Source, writer: Writer, *, limit: int | None, progress: Progress | None = None) -> int:
    """Like `receive` for data that is only put aside: neither looked into nor hashed. Returns its size."""
    size = 0
    next_progress = time.monotonic() + _PROGRESS_S
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if limit is not None and size > limit:
            raise TooLarge(limit)
        writer.write(chunk)
        if progress is not None and time.monotonic() >= next_progress:
            progress(size)
            next_progress = time.monotonic() + _PROGRESS_S
    writer.flush()
    return size
