"""Log lines as JSON objects, one a line, each with the request it belongs to."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from cumulet.kernel.context import current_request

_encode = msgspec.json.Encoder(enc_hook=str).encode
_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_LARGEST = 64 << 20  # bytes of one file
_KEPT = 2  # older files of a role: <role>.1.jsonl is the younger
_NOISY = ("amqp", "kombu", "urllib3", "sqlalchemy", "alembic", "_granian", "stevedore", "oslo_policy")


class JsonLines(logging.Handler):
    """Writes each record with one `write` to a file opened for appending, so lines of processes never mix.

    With a `directory` the file is `<directory>/<role>.jsonl` and is set aside when it has grown to `largest` bytes.
    """

    def __init__(self, role: str, directory: Path | None = None, *, largest: int = _LARGEST) -> None:
        super().__init__()
        self._role = role
        self._directory = directory
        self._largest = largest
        self._descriptor = sys.stderr.fileno() if directory is None else self._open(directory)

    def _open(self, directory: Path) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(directory / f"{self._role}.jsonl", flags, 0o600)
        self._size = os.fstat(descriptor).st_size
        return descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.line(record)
            os.write(self._descriptor, line)
            if self._directory is not None:
                self._size += len(line)
                if self._size > self._largest:
                    self._set_aside(self._directory)
        except Exception:  # noqa: BLE001 - logging's own contract: a failing handler must not break the work
            self.handleError(record)

    def _set_aside(self, directory: Path) -> None:
        current = directory / f"{self._role}.jsonl"
        for number in range(_KEPT, 0, -1):
            older = directory / f"{self._role}.{number}.jsonl"
            younger = directory / f"{self._role}.{number - 1}.jsonl" if number > 1 else current
            with contextlib.suppress(FileNotFoundError):
                younger.replace(older)
        os.close(self._descriptor)
        self._descriptor = self._open(directory)

    def close(self) -> None:
        if self._directory is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def line(self, record: logging.LogRecord) -> bytes:
        ids = current_request.get()
        entry: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "role": self._role,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if ids is not None:
            entry["request_id"], entry["global_request_id"] = ids
        for key, value in record.__dict__.items():
            if key not in _PLAIN and key not in entry:
                entry[key] = value
        if record.exc_info and record.exc_info[0] is not None:
            entry["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return _encode(entry) + b"\n"


def start(role: str, directory: Path | None, *, debug: bool = False) -> None:
    """Send this process's log lines to `<directory>/<role>.jsonl`, or to standard error without a directory."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(JsonLines(role, directory))
    _set_level(root, logging.DEBUG if debug else logging.INFO)
    for noisy in _NOISY:
        _set_level(logging.getLogger(noisy), logging.WARNING)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Setting a level writes to every logger there is, which a forked process shares with its parent until then."""
    if logger.level != level:
        logger.setLevel(level)
