"""Whether this host can run guests itself (KVM). Only trying tells: /dev/kvm may open and fail at the first guest."""

from __future__ import annotations

import functools
import os
import re
import select
import subprocess
from pathlib import Path
from typing import Final

PROGRAM: Final = "qemu-system-x86_64"
_TRIAL_S: Final = 5.0


@functools.cache
def has_kvm() -> bool:
    """The processor's flags first, then a trial: a machine without a system that has to end by its own watchdog."""
    try:
        flags = set(re.findall(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[0].split())
    except (OSError, IndexError):
        return False
    return bool(flags & {"vmx", "svm"}) and os.access("/dev/kvm", os.R_OK | os.W_OK) and _trial()


def _trial() -> bool:
    """The firmware's first message must come, which needs a processor that executes."""
    arguments = [PROGRAM, "-accel", "kvm", "-machine", "q35", "-cpu", "host", "-m", "32", "-nodefaults"]
    arguments += ["-display", "none", "-chardev", "stdio,id=c", "-device", "isa-debugcon,iobase=0x402,chardev=c"]
    try:
        done = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    try:
        assert done.stdout is not None
        os.set_blocking(done.stdout.fileno(), False)
        ready, _, _ = select.select([done.stdout], [], [], _TRIAL_S)
        return bool(ready and done.stdout.read(1))
    finally:
        done.kill()
        done.wait()
        if done.stdout is not None:
            done.stdout.close()


@functools.cache
def version() -> tuple[int, int, int]:
    """QEMU's; (0, 0, 0) where there is none."""
    try:
        said = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            [PROGRAM, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0, 0)
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
