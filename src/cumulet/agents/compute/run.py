"""Programs of the host: run with arguments, never through a shell, and with bounds."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

# What opens guests' disks can do with the host no more than files allow: no mounts, modules, raw packets, devices to be
# made, other processes to be looked into. Files it has to reach wherever the operator keeps them, also in a home.
UNPRIVILEGED = ("setpriv", "--bounding-set=-all,+dac_override", "--inh-caps=-all", "--no-new-privs")
_LIMITS = ("prlimit", "--as=2147483648", "--cpu=3600")


class CommandFailed(RuntimeError):
    """A program ended with an error; the message is what it said."""


def run(
    arguments: Sequence[str | Path],
    *,
    timeout_s: float = 300.0,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
    good: Sequence[int] = (0,),
) -> bytes:
    """The program's output. Raises CommandFailed with the last lines it said when it ends with a status that is not
    `good`, FileNotFoundError without the program."""
    done = subprocess.run(  # noqa: S603 - arguments are a list, and no shell is in between
        [str(one) for one in arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        start_new_session=new_session,
    )
    if done.returncode not in good:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        program = Path(str(arguments[0])).name
        raise CommandFailed(f"{program}: {'; '.join(said[-3:])}" if said else f"{program} ended with {done.returncode}")
    return done.stdout


def image_tool(*arguments: str | Path, timeout_s: float = 3600.0) -> bytes:
    """qemu-img with bounds on memory, processor time and what it may do, because what it reads may be made to harm."""
    return run([*UNPRIVILEGED, *_LIMITS, "qemu-img", *arguments], timeout_s=timeout_s)


def start(arguments: Sequence[str], directory: Path, log: str) -> subprocess.Popen[bytes]:
    """A program that stays, in a guest's directory, with no more power than `UNPRIVILEGED` has. What it says is in the
    file `log` there."""
    with (directory / log).open("wb") as said:
        return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            [*UNPRIVILEGED, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=directory,
            start_new_session=True,
        )
