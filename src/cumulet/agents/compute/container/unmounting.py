"""Takes a device's file systems out of a container: `python -m … PID MAJOR:MINOR`, PID being one of its processes.

A process of its own, because entering a mount namespace is for a whole process, and Python's threads share theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cumulet.agents.compute.container import system


def main(pid: int, device: str) -> int:
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    # Spaces and the like are written in octal. Python's own files cannot be read any more once we are inside.
    targets = [line[4].encode().decode("unicode_escape") for line in lines if line[2] == device]
    system.enter(f"/proc/{pid}/ns/mnt", system.NEWNS)
    for target in reversed(targets):
        system.unmount(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
