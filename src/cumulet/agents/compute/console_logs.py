"""What a guest's serial console said. A guest can say without end: the file is cut now and then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SHOWN: Final = 100 * 1024
"""Bytes the API gives at most, as in the original."""
_MOST: Final = 4 << 20


def tail(file: Path, most: int = SHOWN) -> str:
    """The end of the log, from the first whole line on."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - most))
            data = log.read(most)
    except FileNotFoundError:
        return ""
    if size > most:
        data = data.partition(b"\n")[2] or data
    return data.decode(errors="replace")


def trim(file: Path) -> None:
    """Keep the end of a log that has grown too long. Its writer appends, so it goes on after what is left."""
    try:
        if file.stat().st_size <= _MOST:
            return
        with file.open("r+b") as log:
            log.seek(-SHOWN, os.SEEK_END)
            kept = log.read()
            log.seek(0)
            log.write(kept)
            log.truncate()
    except FileNotFoundError:
        return
