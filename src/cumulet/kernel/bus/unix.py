"""Unix socket addresses below directories whose names are longer than the 107 bytes an address may have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 107  # sun_path is 108 bytes with its closing zero (unix(7))
_LONGEST_NAME = 80  # leaves room for /proc/self/fd/<number>/


@contextlib.contextmanager
def short_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name of `path` that fits into a socket address, valid inside the block.

    Where the last part alone is too long the file has to exist already (one can connect to it, not bind it).
    """
    whole = Path(path)
    if len(os.fsencode(whole)) <= _LONGEST:
        yield str(whole)
        return
    by_parent = len(os.fsencode(whole.name)) <= _LONGEST_NAME
    target, kind = (whole.parent, os.O_DIRECTORY) if by_parent else (whole, 0)
    descriptor = os.open(target, os.O_PATH | os.O_CLOEXEC | kind)
    try:
        yield f"/proc/self/fd/{descriptor}/{whole.name}" if by_parent else f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
