"""Checksums in threads of their own: they cost more than everything else about an upload."""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

_WAITING = 4  # chunks: what one upload holds in memory


class _Lane:
    """One digest, updated by one thread."""

    def __init__(self, algorithm: str) -> None:
        self.digest = hashlib.new(algorithm, usedforsecurity=False)
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None

    def update(self, chunk: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="image-hash", daemon=True)
            self._thread.start()
        self._chunks.put(chunk)

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            self.digest.update(chunk)

    def end(self) -> None:
        if self._thread is not None:
            self._chunks.put(None)
            self._thread.join()
            self._thread = None


class Hashes:
    """The MD5 (`checksum`) and the digest of `os_hash_algo` of a stream. To be used in a `with` block."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._lanes = (_Lane("md5"), _Lane(algorithm))
        self._first: bytes | None = None
        self._ended = False

    def __enter__(self) -> Hashes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def update(self, chunk: bytes) -> None:
        """The first chunk waits for a second one: data that has no more needs no threads."""
        if self._first is None:
            self._first = chunk
            return
        if self._first:
            for lane in self._lanes:
                lane.update(self._first)
            self._first = b""
        for lane in self._lanes:
            lane.update(chunk)

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for lane in self._lanes:
            lane.end()
            if self._first:
                lane.digest.update(self._first)

    @property
    def checksum(self) -> str:
        self.end()
        return self._lanes[0].digest.hexdigest()

    @property
    def value(self) -> str:
        self.end()
        return self._lanes[1].digest.hexdigest()
