"""Getting a process that has loaded everything ready for forks: what they share stays shared, what was only needed
for loading is given back.

A page is shared until somebody writes to it. The garbage collector writes to every object it looks at, so all that was
made so far is kept from it for good (`gc.freeze`).
"""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_MADV_DONTNEED = 4
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ +(/.*)\n")
_ANONYMOUS = "Anonymous:"


def settle() -> None:
    """Call it with everything loaded and before the first fork."""
    gc.collect()
    gc.freeze()
    trim()
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():  # not Linux
        return
    library = ctypes.CDLL(None, use_errno=True)
    with smaps.open() as lines:
        unwritten = list(unwritten_files(lines))
    for start, length in unwritten:
        # No harm where it fails: the pages stay in this process.
        library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)


def trim() -> None:
    """Give back what was needed for a while only: the C library keeps it for later otherwise."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):  # glibc
        library.malloc_trim(0)


def unwritten_files(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(address, bytes) of parts of files that this process has mapped, cannot write to and has no page of its own of.

    Loading a library reads much of it once. Pages like these come back from the file's cache at the next use, and a
    process that only looks after others has no such use. Relocated pages are told by `Anonymous`, and kept.
    """
    place: tuple[int, int] | None = None
    for line in smaps:
        found = _MAPPING.match(line)
        if found is not None:
            start, end, rights, _ = found.groups()
            place = (int(start, 16), int(end, 16) - int(start, 16)) if "w" not in rights else None
        elif not line[:1].isupper():
            place = None  # a mapping without a file
        elif line.startswith(_ANONYMOUS) and place is not None:
            if line.split()[1] == "0":
                yield place
            place = None
