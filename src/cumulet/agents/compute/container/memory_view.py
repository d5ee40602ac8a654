"""/proc/meminfo as a container is to see it. Nothing but the standard library: the keeper writes it now and then."""

from __future__ import annotations

from pathlib import Path


def write(file: Path, memory_mb: int, used_file: str) -> None:
    """In place: the container has this file mounted. `used_file` is its control group's number of bytes in use."""
    try:
        used = int(Path(used_file).read_text()) // 1024
    except (OSError, ValueError):  # there is no such group yet, or no more
        used = 0
    total = memory_mb * 1024
    free = max(0, total - used)
    zero = dict.fromkeys(("Buffers", "Cached", "SwapCached", "SwapTotal", "SwapFree", "Dirty", "Writeback", "Shmem"), 0)
    values = {"MemTotal": total, "MemFree": free, "MemAvailable": free, **zero}
    text = "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in values.items())
    with file.open("r+" if file.exists() else "w") as shown:
        shown.write(text)
        shown.truncate()
