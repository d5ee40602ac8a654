"""The agent inside a guest (qemu-ga), where its image says that it has one.

Source: QEMU Guest Agent Protocol Reference.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from cumulet.agents.compute import unix
from cumulet.agents.compute.folders import Record
from cumulet.agents.compute.qemu import command

log = logging.getLogger(__name__)
_SYNC_S: Final = 15.0  # an agent that is there answers at once
_ANSWER_S: Final = 60.0  # what is asked may take its time: a file system that freezes is written to the disk first
_THAWS: Final = 3


class NoGuestAgent(RuntimeError):
    """The guest has no agent, or it does not answer."""


def ask(directory: Path, record: Record, what: str, **arguments: Any) -> Any:
    """Raises NoGuestAgent, RuntimeError for what the agent refuses."""
    if not record.machine.get("agent"):
        raise NoGuestAgent("QEMU guest agent is not enabled: the image does not have hw_qemu_guest_agent=yes.")
    try:
        with contextlib.closing(unix.connect(directory / command.AGENT, _SYNC_S)) as connection:
            mark = secrets.randbelow(1 << 31)
            connection.sendall(b"\xff" + _line("guest-sync-delimited", {"id": mark}))
            said = b""
            deadline = time.monotonic() + _SYNC_S
            while _last(said).get("return") != mark:
                said += _received(connection, deadline)
            connection.sendall(_line(what, {name.replace("_", "-"): value for name, value in arguments.items()}))
            answer, deadline = b"", time.monotonic() + _ANSWER_S
            while not answer.endswith(b"\n"):
                answer += _received(connection, deadline)
    except OSError as error:
        raise NoGuestAgent(f"The guest's agent does not answer: {error}") from None
    decoded = _last(answer)
    if "error" in decoded:
        raise RuntimeError(f"The guest's agent refused: {decoded['error'].get('desc')}")
    return decoded.get("return")


def _line(what: str, arguments: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"execute": what, "arguments": arguments}) + b"\n"


def _received(connection: Any, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    connection.settimeout(left)
    data: bytes = connection.recv(65536)
    if not data:
        raise ConnectionError("the channel was closed")
    return data


def _last(said: bytes) -> dict[str, Any]:
    """The last whole message; a byte 0xff starts what follows a synchronisation."""
    line = said.rpartition(b"\xff")[2].strip().rpartition(b"\n")[2]
    try:
        decoded = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def set_password(directory: Path, record: Record, password: str) -> None:
    image = record.guest.image
    user = image.get("os_admin_user") or ("Administrator" if record.machine.get("windows") else "root")
    encoded = base64.b64encode(password.encode()).decode()
    ask(directory, record, "guest-set-user-password", username=str(user), password=encoded, crypted=False)


@contextlib.contextmanager
def frozen(directory: Path, record: Record) -> Iterator[None]:
    """File systems at rest for a moment, where the guest can do that and its image asks for it."""
    required = str(record.guest.image.get("os_require_quiesce", "")).lower() in ("yes", "true", "1")
    if not required and not record.machine.get("agent"):
        yield
        return
    try:
        ask(directory, record, "guest-fsfreeze-freeze")
    except RuntimeError as error:
        if required:
            raise
        log.info("guest %s is not quiesced: %s", record.id, error)
        yield
        return
    try:
        yield
    finally:
        _thaw(directory, record)


def _thaw(directory: Path, record: Record) -> None:
    """A guest whose file systems stay frozen stands still, so this is asked more than once."""
    for attempt in range(1, _THAWS + 1):
        try:
            ask(directory, record, "guest-fsfreeze-thaw")
            return
        except RuntimeError:
            if attempt == _THAWS:
                raise
