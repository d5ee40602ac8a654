"""Small files written whole: a reader finds the old text or the new one, never half of it."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write `text` if the file has another; True if it had."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
    return True


def others_may_enter(directory: Path) -> bool:
    """Whether a user without rights can reach files in `directory`: every part of the path must let others through."""
    return all(part.stat().st_mode & 0o001 for part in [directory, *directory.parents])
