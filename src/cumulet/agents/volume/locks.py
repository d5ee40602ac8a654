"""One wish at a time for each volume, in as many threads as there are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class _Busy:
    """A name that is worked on, and how many wishes there are for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0


class Locks:
    """Locks by name that exist as long as they are used."""

    def __init__(self) -> None:
        self._busy: dict[str, _Busy] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def alone(self, *names: str) -> Iterator[None]:
        """Hold all of them, whatever order others ask in."""
        with contextlib.ExitStack() as stack:
            for name in sorted(set(names)):
                stack.enter_context(self._held(name))
            yield

    @contextlib.contextmanager
    def unless_busy(self, *names: str) -> Iterator[bool]:
        """Hold all of them if nobody holds one now; otherwise none. Yields whether they are held."""
        with contextlib.ExitStack() as stack:
            yield all(stack.enter_context(self._tried(name)) for name in sorted(set(names)))

    @contextlib.contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with self._used(name) as busy, busy.lock:
            yield

    @contextlib.contextmanager
    def _tried(self, name: str) -> Iterator[bool]:
        with self._used(name) as busy:
            taken = busy.lock.acquire(blocking=False)
            try:
                yield taken
            finally:
                if taken:
                    busy.lock.release()

    @contextlib.contextmanager
    def _used(self, name: str) -> Iterator[_Busy]:
        with self._lock:
            busy = self._busy.setdefault(name, _Busy())
            busy.users += 1
        try:
            yield busy
        finally:
            with self._lock:
                busy.users -= 1
                if not busy.users:
                    del self._busy[name]
