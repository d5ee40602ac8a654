"""QEMU's monitor (QMP): commands and events of one virtual machine, each over a connection of its own.

Source: QEMU Machine Protocol specification, docs/interop/qmp-spec.rst.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from cumulet.agents.compute import unix

ANSWER_S = 30.0
_CHUNK = 65536


class MonitorError(Exception):
    """QEMU refused a command. `kind` is its class: GenericError, DeviceNotFound, …"""

    def __init__(self, command: str, kind: str, description: str) -> None:
        super().__init__(f"{command}: {description}")
        self.kind = kind
        self.description = description


class MonitorGone(ConnectionError):
    """The virtual machine ended, or does not answer."""


class Monitor:
    """`with Monitor(path) as monitor: monitor.ask("query-status")`. QEMU serves one connection at a time."""

    def __init__(self, path: Path, *, timeout_s: float = ANSWER_S) -> None:
        self._timeout_s = timeout_s
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque(maxlen=256)
        try:
            self._socket = unix.connect(path, timeout_s)
        except OSError as error:
            raise MonitorGone(f"no virtual machine answers at {path}: {error}") from None
        try:
            self._receive(time.monotonic() + timeout_s)  # the greeting
            self.ask("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, command: str, /, **arguments: Any) -> Any:
        """The command's return value; `_` in argument names stands for `-`. Raises MonitorError, MonitorGone."""
        return self.execute(command, {name.replace("_", "-"): value for name, value in arguments.items()})

    def execute(self, command: str, arguments: dict[str, Any]) -> Any:
        """The same with arguments by their exact names."""
        self._send(msgspec.json.encode({"execute": command, "arguments": arguments}) + b"\n")
        return self._answer(command)

    def _answer(self, command: str) -> Any:
        deadline = time.monotonic() + self._timeout_s
        while True:
            message = self._receive(deadline)
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise MonitorError(command, message["error"]["class"], message["error"]["desc"])
            elif "return" in message:
                return message["return"]

    def send_file(self, name: str, descriptor: int) -> None:
        """Give QEMU an open file, which commands then call `fd:name`."""
        line = msgspec.json.encode({"execute": "getfd", "arguments": {"fdname": name}}) + b"\n"
        try:
            socket.send_fds(self._socket, [line], [descriptor])
        except OSError as error:
            raise MonitorGone(f"the virtual machine does not take commands: {error}") from None
        self._answer("getfd")

    def event(self, wanted: Callable[[dict[str, Any]], bool], *, within_s: float) -> dict[str, Any] | None:
        """The first event since the connection was made that is `wanted`; None if none comes in time."""
        deadline = time.monotonic() + within_s
        while True:
            while self._events:
                event = self._events.popleft()
                if wanted(event):
                    return event
            try:
                message = self._receive(deadline)
            except TimeoutError:
                return None
            if "event" in message:
                self._events.append(message)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(data)
        except OSError as error:
            raise MonitorGone(f"the virtual machine does not take commands: {error}") from None

    def _receive(self, deadline: float) -> dict[str, Any]:
        """The next message. Raises TimeoutError at the deadline, MonitorGone when the machine ended."""
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the virtual machine does not answer")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise
            except OSError as error:
                raise MonitorGone(f"the virtual machine does not answer: {error}") from None
            if not data:
                raise MonitorGone("the virtual machine ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = msgspec.json.decode(line)
        return message


def is_socket(path: Path) -> bool:
    """Whether somebody listens there."""
    try:
        unix.connect(path, 1.0).close()
    except OSError:
        return False
    return True
