"""A qemu-storage-daemon: it serves one disk over NBD and outlives the agent that started it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.ending import end
from cumulet.agents.volume import qemu
from cumulet.agents.volume.protocols import Refused

_ANSWER_S: Final = 30.0
_END_S: Final = 10.0
_UNIX_PATH: Final = 100  # characters; the kernel takes 107


class DaemonGone(Refused):
    """The storage daemon does not answer."""


class Daemon:
    """One daemon, whose socket and pid are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def _monitor(self) -> Path:
        return self.folder / "qmp"

    def start(self, arguments: Sequence[str], secrets: Mapping[str, str], inherited: Sequence[int] = ()) -> None:
        """Start it; when this returns it serves. `inherited`: open files that the arguments name by number.

        Raises ToolFailed with what it said.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._monitor.unlink()
        with qemu.secret_objects(secrets) as (given, files):
            argv = [
                "qemu-storage-daemon",
                "--daemonize",
                "--pidfile",
                str(self.pid_file),
                "--chardev",
                f"socket,id=qmp,path={_unix(self._monitor)},server=on,wait=off",
                "--monitor",
                "chardev=qmp",
                *given,
                *arguments,
            ]
            qemu.run(argv, pass_fds=[*files, *inherited], timeout_s=_ANSWER_S)

    def pid(self) -> int | None:
        """Its process, None when it does not run. Its command line tells it from another process of that number."""
        try:
            pid = int(self.pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"qemu-storage-daemon" in command and str(self.pid_file).encode() in command else None

    def stop(self) -> None:
        """End it after it has written everything out. One that does not run is right too."""
        pid = self.pid()
        if pid is not None:
            which = signal.SIGTERM
            while not end(pid, (which, _END_S)):
                which = signal.SIGKILL
        for left in (self.pid_file, self._monitor):
            left.unlink(missing_ok=True)

    def ask(self, *commands: tuple[str, Mapping[str, Any]]) -> list[Any]:
        """Run QMP commands one after another; what each returned. Raises DaemonGone, Refused with its sentence."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWER_S)
                connection.connect(_unix(self._monitor))
                stream = connection.makefile("rwb")
                stream.readline()
                wishes: list[tuple[str, Mapping[str, Any]]] = [("qmp_capabilities", {}), *commands]
                return [_one(stream, name, arguments) for name, arguments in wishes][1:]
        except OSError as error:
            raise DaemonGone(f"The storage daemon does not answer: {error}") from None


def _one(stream: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    stream.write(msgspec.json.encode({"execute": name, "arguments": arguments}) + b"\n")
    stream.flush()
    while True:
        line = stream.readline()
        if not line:
            raise OSError("the connection ended")
        answer = msgspec.json.decode(line)
        if "error" in answer:
            raise Refused(str(answer["error"]["desc"]))
        if "return" in answer:
            return answer["return"]


def _unix(path: Path) -> str:
    """A path that fits into a socket's address. Raises Refused for one that is too long."""
    text = str(path)
    if len(text.encode()) > _UNIX_PATH:
        raise Refused(f"The path {text} is too long for a socket; choose a shorter state directory.")
    return text
