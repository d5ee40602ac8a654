"""Which subnets the clouds of this machine have taken for their ways out.

A cloud that is down has no route that another could see, but its networks keep their addresses. So each cloud leaves a
link to its directory under its subnet's name, which counts for as long as that directory is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path("/run/cumulet-ways-out")
_TRIES: Final = 3


def claim(subnet: str, owner: Path, folder: Path = FOLDER) -> Path | None:
    """Take a subnet for the cloud that has the directory `owner`. The directory of the one that has it already."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / subnet.replace("/", "-")
    for _ in range(_TRIES):
        try:
            link.symlink_to(owner.absolute())
        except FileExistsError:
            if not link.exists():
                link.unlink(missing_ok=True)  # of a cloud that was purged
                continue
            other = link.readlink()
            return None if other == owner.absolute() else other
        return None
    return link


def release(owner: Path, folder: Path = FOLDER) -> None:
    """Give back what a cloud has. One that has nothing is right too."""
    if not folder.exists():
        return
    for link in folder.iterdir():
        if link.readlink() == owner.absolute():
            link.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
