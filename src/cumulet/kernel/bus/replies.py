"""The memory of calls and their replies, by which a repeated delivery is answered without running it again."""

from __future__ import annotations

import collections
import threading
import time


class Pending:
    """One call id: still running, or answered with `data` (an encoded reply)."""

    __slots__ = ("data", "done", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.data: bytes | None = None
        self.done = threading.Event()


class Replies:
    """Remembers calls for `window_s` seconds, at most `count` of them and `size` bytes of replies.

    The oldest answered calls are forgotten first; a running one is never forgotten.
    """

    def __init__(self, window_s: float = 600.0, count: int = 20_000, size: int = 32 * 1024 * 1024) -> None:
        self._window_s = window_s
        self._count = count
        self._size = size
        self._held = 0
        self._calls: collections.OrderedDict[str, Pending] = collections.OrderedDict()
        self._lock = threading.Lock()

    def begin(self, call_id: str) -> tuple[Pending, bool]:
        """The call's entry, and whether it is new, so that the asker has to run it."""
        now = time.monotonic()
        with self._lock:
            found = self._calls.get(call_id)
            if found is not None:
                return found, False
            self._forget(now)
            entry = self._calls[call_id] = Pending(now)
            return entry, True

    def finish(self, entry: Pending, data: bytes) -> None:
        with self._lock:
            entry.data = data
            self._held += len(data)
        entry.done.set()

    def _forget(self, now: float) -> None:
        running: list[tuple[str, Pending]] = []
        while self._calls:
            call_id, oldest = next(iter(self._calls.items()))
            too_many = len(self._calls) + len(running) >= self._count or self._held > self._size
            if not too_many and now - oldest.since < self._window_s:
                break
            del self._calls[call_id]
            if oldest.data is None:
                running.append((call_id, oldest))
            else:
                self._held -= len(oldest.data)
        for call_id, entry in reversed(running):
            self._calls[call_id] = entry
            self._calls.move_to_end(call_id, last=False)
