"""What a store is. Every kind passes the same contract tests (`tests/image/test_stores.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class StoreError(Exception):
    """The store cannot do what was asked. `message` is a sentence that the user may read."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class DataNotFound(StoreError):
    """There is no data at this URL."""


class StoreFull(StoreError):
    """No room for more data."""


class StoreReadOnly(StoreError):
    """This store takes no data."""


class Writer(Protocol):
    """Data on its way into a store: not readable by anyone until `publish`, gone without it."""

    @property
    def url(self) -> str:
        """Where the data will lie."""

    def write(self, chunk: bytes) -> None:
        """Raises StoreFull or StoreError."""

    def flush(self) -> None:
        """Bring all of it to the medium: afterwards `publish` needs no more room and survives a power failure."""

    def publish(self) -> None:
        """Make the data readable at `url`, replacing what was there. Doing it twice equals doing it once."""

    def abort(self) -> None:
        """Drop the data. Does nothing after `publish`."""


class Reader(Protocol):
    """A range of an image's data, read once from its beginning."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end. Raises StoreError when the data breaks off."""

    def close(self) -> None: ...


class Store(Protocol):
    """One configured store. `kind` is `file` or `http`."""

    name: str
    kind: str
    description: str | None
    weight: int
    read_only: bool

    def writer(self, image_id: str) -> Writer:
        """Raises StoreReadOnly or StoreError."""

    def url_for(self, image_id: str) -> str | None:
        """Where a writer would publish an image's data, None for a store without writers."""

    def open(self, url: str, *, offset: int = 0, length: int | None = None) -> Reader:
        """Raises DataNotFound or StoreError."""

    def size(self, url: str) -> int | None:
        """Bytes at `url`, None where the store cannot tell. Raises DataNotFound or StoreError."""

    def detach(self, url: str) -> Callable[[], None]:
        """Make the data unreadable at once, and return what frees its room, which may take long.

        Without data there is nothing to do. A store that cannot delete leaves it.
        """

    def claims(self, url: str) -> bool:
        """Whether data at `url` is this store's."""

    def sweep(self, *, older_than_s: float) -> int:
        """Remove what writers that are dead left behind, at least this old. Returns how many."""

    def properties(self) -> dict[str, Any]:
        """What `/v2/info/stores/detail` shows of it."""


def chunks(reader: Reader, size: int) -> Iterator[bytes]:
    """A reader's data in pieces; the reader is closed at the end and when the iteration is given up."""
    try:
        while chunk := reader.read(size):
            yield chunk
    finally:
        reader.close()
