"""QEMU's tools as subprocesses: no shell, no secret in the arguments, limits for what strangers made."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.volume.protocols import NoSpace, Refused

LIMITS: Final = ("prlimit", "--as=4294967296", "--cpu=7200", "--")
"""For files whose contents are a stranger's: 4 GiB of addresses and two hours of a processor."""
_FULL: Final = "No space left on device"


class ToolFailed(Refused):
    """A tool ended with an error; the text is what it said, `code` its exit status, where it came to one."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


@contextlib.contextmanager
def secret_objects(secrets: Mapping[str, str]) -> Iterator[tuple[list[str], list[int]]]:
    """`--object secret` arguments that name open files in memory, and the files a child has to inherit."""
    files: list[int] = []
    arguments: list[str] = []
    try:
        for name, value in secrets.items():
            file = os.memfd_create(f"secret-{name}")
            files.append(file)
            os.write(file, value.encode())
            arguments += ["--object", f"secret,id={name},file=/dev/fd/{file}"]
        yield arguments, files
    finally:
        for file in files:
            os.close(file)


def img(
    command: str,
    *arguments: str | Path,
    secrets: Mapping[str, str] | None = None,
    objects: Sequence[str] = (),
    foreign: bool = False,
    timeout_s: float | None = None,
) -> bytes:
    """Run `qemu-img`; its output. Raises NoSpace or ToolFailed.

    `secrets` become secret objects by these ids; `foreign`: it reads what a stranger made, so it runs within LIMITS.
    """
    with secret_objects(secrets or {}) as (given, files):
        argv = [*(LIMITS if foreign else ()), "qemu-img", command, *given, *objects, *map(str, arguments)]
        return run(argv, pass_fds=files, timeout_s=timeout_s)


def run(argv: Sequence[str], *, pass_fds: Sequence[int] = (), timeout_s: float | None = None) -> bytes:
    """Run a program to its end; its output. Raises NoSpace or ToolFailed."""
    try:
        done = subprocess.run(  # noqa: S603 - an argument list, no shell
            argv, stdin=subprocess.DEVNULL, capture_output=True, pass_fds=pass_fds, timeout=timeout_s, check=False
        )
    except FileNotFoundError:
        raise ToolFailed(f"{argv[0]} is not installed on this host (Debian: qemu-utils).") from None
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"{argv[0]} did not end within {timeout_s:g} seconds.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if _FULL in said:
            raise NoSpace("The back end has no space left.")
        raise ToolFailed(" ".join(said.split()) or f"{argv[0]} ended with {done.returncode}.", done.returncode)
    return done.stdout


def info(path: Path, format_: str) -> dict[str, Any]:
    """What `qemu-img info` says of one file, not of its backing files. For files of our own making."""
    answer = img("info", "-U", "--output=json", "-f", format_, path)
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    return decoded


def is_locked(path: Path, format_: str) -> bool:
    """Whether a QEMU has the file open for writing (by its locks, which hold across hosts on NFSv4 too)."""
    try:
        img("info", "--output=json", "-f", format_, path)
    except ToolFailed as error:
        if "lock" in str(error):
            return True
        raise
    return False
