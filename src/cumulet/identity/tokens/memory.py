"""What a process remembers of tokens: answers that hold as long as nothing has changed.

Everything is kept next to the generation it was read under (`domain.generations`) and good only while that number
stands, so a change in any process counts from the next request on.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import msgspec

from cumulet.identity.domain.revocations import TokenFacts
from cumulet.identity.tokens.payload import Payload
from cumulet.kernel.context import Context

T = TypeVar("T")


class TokenRecord(msgspec.Struct, kw_only=True):
    """A token that was found good, and everything asked about it.

    `document` is the body's `token` object without the catalog; `caller` the Context of requests made with it.
    `subject_id` is the user the token speaks for: the trustor where a trust impersonates.
    """

    payload: Payload
    generation: int
    document: dict[str, Any]
    plain: bytes  # `{"token": …}` without the catalog
    full: bytes  # and with it: the same object while nothing changes
    caller: Context
    facts: TokenFacts
    subject_id: str
    restricted_access: bool = False  # it has access rules: only for those who know how to keep them
    ends_at: int = 0  # µs: the token's expiry, or its trust's or application credential's before it


class Answers:
    """Records of tokens by the hash of their text, at most `capacity` bytes of bodies, the oldest forgotten first."""

    def __init__(self, capacity: int = 12 << 20) -> None:
        self._capacity = capacity
        self._size = 0
        self._records: dict[bytes, TokenRecord] = {}
        self._lock = threading.Lock()

    @staticmethod
    def key(token: str) -> bytes:
        return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

    def get(self, key: bytes) -> TokenRecord | None:
        return self._records.get(key)

    def put(self, key: bytes, record: TokenRecord) -> None:
        with self._lock:
            self._drop(key)
            self._records[key] = record
            self._size += _weight(record)
            while self._size > self._capacity:
                self._drop(next(iter(self._records)))

    def forget(self, key: bytes) -> None:
        with self._lock:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        record = self._records.pop(key, None)
        if record is not None:
            self._size -= _weight(record)


def _weight(record: TokenRecord) -> int:
    """Roughly what a record takes: two bodies, and the decoded form of the small one."""
    return len(record.full) + 6 * len(record.plain) + 512


class Memory:
    """Small facts by name, each good for the generation it was read under."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._known: dict[Hashable, tuple[int, Any]] = {}

    def recall(self, generation: int, name: Hashable, load: Callable[[], T]) -> T:
        """What `load` gives, or gave under this generation.

        Nothing (None or empty) is not remembered: what is new does not move the generation on.
        """
        known = self._known.get(name)
        if known is not None and known[0] == generation:
            return cast(T, known[1])
        value = load()
        if not value:
            return value
        if len(self._known) >= self._capacity:
            self._known = {}
        self._known[name] = (generation, value)
        return value
