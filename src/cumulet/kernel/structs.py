"""msgspec's descriptions of Structs, made before threads need them.

msgspec describes a Struct, and the Structs inside it, when it is first read into, and says that it has before it is
done: a thread that reads into the same Struct meanwhile follows a pointer that is not there yet, and the process dies
(msgspec 0.22). So one thread describes all of them: before the workers are forked, which then share the descriptions,
and again wherever modules have been loaded since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from weakref import WeakSet

import msgspec

_lock = threading.Lock()
_described: WeakSet[type] = WeakSet()


def describe() -> None:
    """Describe every Struct there is. Call it after loading modules and before threads use them."""
    with _lock:
        for kind in _below(msgspec.Struct):
            if kind not in _described:
                _describe(kind)
                _described.add(kind)


def _describe(kind: type) -> None:
    try:
        msgspec.json.Decoder(kind)
    except (NameError, TypeError):
        return  # one that nothing can be read into: its attributes are no types that JSON has


def _below(base: type) -> Iterator[type]:
    kind: type
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)
