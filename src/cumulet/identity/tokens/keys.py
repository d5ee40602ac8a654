"""Key repositories: directories of Fernet keys that rotate, as operators of the original know them.

A file's name is its index: 0 is the staged key (the next primary), the highest is the primary (which encrypts), those
between are secondary (they only decrypt). Rotating makes the staged key the primary, so every host that has copied the
directory before already decrypts with it. Files are readable by their owner only and replaced atomically.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from cryptography.fernet import Fernet

from cumulet.kernel.errors import ServiceUnavailable
from cumulet.kernel.settings import write_private

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_STAGED = 0
_CHECK_SECONDS = 1.0


class NoKeys(ServiceUnavailable):
    """The repository has no key to work with: `str()` names it, clients are only told that there is none."""

    def __init__(self, detail: str) -> None:
        super().__init__("The Identity service has no keys to work with yet.")
        self._detail = detail

    def __str__(self) -> str:
        return self._detail


def setup(repository: Path) -> bool:
    """Make the directory and its first keys (a staged and a primary one). Returns whether there was anything to do."""
    repository.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(repository):
        if _indexes(repository):
            return False
        _write(repository, 1)
        _write(repository, _STAGED)
    return True


def rotate(repository: Path, max_active: int = 3) -> int:
    """Make the staged key the primary, stage a new one, and drop the oldest beyond `max_active` keys.

    Returns the new primary's index. Raises NoKeys for a repository that was never set up.
    """
    with _alone(repository):
        indexes = _indexes(repository)
        if _STAGED not in indexes:
            raise NoKeys(f"{repository} has no staged key to rotate")
        primary = max(indexes) + 1
        # Renaming keeps the key's bytes and its mode; there is no moment without it for those who read meanwhile.
        (repository / str(_STAGED)).rename(repository / str(primary))
        _write(repository, _STAGED)
        secondary = sorted(set(indexes) - {_STAGED})
        surplus = len(secondary) + 2 - max(max_active, 1)
        # A primary key alone (max_active 1) still needs its staged successor.
        for index in secondary[: max(surplus, 0)]:
            (repository / str(index)).unlink()
    return primary


def load(repository: Path) -> list[bytes]:
    """The keys, the primary first and the staged one last. Raises NoKeys."""
    try:
        indexes = sorted(_indexes(repository), reverse=True)
        keys = [(repository / str(index)).read_bytes().strip() for index in indexes]
    except FileNotFoundError:
        keys = []
    if not keys:
        detail = f"{repository} has no keys: run keystone-manage fernet_setup or credential_setup"
        LOG.error(detail)
        raise NoKeys(detail)
    return keys


def _indexes(repository: Path) -> list[int]:
    return [int(file.name) for file in repository.iterdir() if file.name.isdecimal()]


def _write(repository: Path, index: int) -> None:
    write_private(repository / str(index), Fernet.generate_key())


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """One writer at a time: services that start at once must not each make keys of their own."""
    try:
        descriptor = os.open(repository, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoKeys(f"{repository} does not exist") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Watched(Generic[T]):
    """What is made of the files of some directories, made again when they change.

    Each directory's time is looked at once a second at most, and at once by `refresh` (an unknown key came along).
    """

    def __init__(self, directories: tuple[Path, ...], make: Callable[[], T]) -> None:
        self._directories = directories
        self._make = make
        self._lock = threading.Lock()
        self._stamp: tuple[tuple[int, int], ...] | None = None
        self._value: T | None = None
        self._next_look = 0.0

    def get(self) -> T:
        """The current value. Raises what making it raises."""
        if time.monotonic() >= self._next_look:
            self.refresh()
        assert self._value is not None
        return self._value

    def refresh(self) -> bool:
        """Look now. Returns whether the value is a new one."""
        with self._lock:
            stamp = tuple(_stamp(directory) for directory in self._directories)
            changed = self._value is None or stamp != self._stamp
            if changed:
                self._value = self._make()
                self._stamp = stamp
            self._next_look = time.monotonic() + _CHECK_SECONDS
            return changed


def _stamp(directory: Path) -> tuple[int, int]:
    try:
        status = directory.stat()
    except FileNotFoundError:
        return (0, 0)
    return (status.st_ino, status.st_mtime_ns)
