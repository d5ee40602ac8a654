"""Unix socket addresses below directories whose names are longer than the 107 bytes an address may have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 107  # sun_path is 108 bytes with its closing zero (unix(7))


@contextlib.contextmanager
def short_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name of `path` that fits into a socket address, valid inside the block."""
    whole = Path(path)
    if len(os.fsencode(whole)) <= _LONGEST:
        yield str(whole)
        return
    descriptor = os.open(whole.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{whole.name}"
    finally:
        os.close(descriptor)
