"""Log lines as JSON objects, one a line, each with the request it belongs to."""

from __future__ import annotations

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
_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


class JsonLines(logging.Handler):
    """Writes each record with one `write` to a file opened for appending, so lines of processes never mix."""

    def __init__(self, descriptor: int, role: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._role = role

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self._descriptor, self.line(record))
        except Exception:  # noqa: BLE001 - logging's own contract: a failing handler must not break the work
            self.handleError(record)

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
    descriptor = sys.stderr.fileno()
    if directory is not None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(directory / f"{role}.jsonl", flags, 0o600)
    root = logging.getLogger()
    root.handlers[:] = [JsonLines(descriptor, role)]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for noisy in (
        "amqp",
        "kombu",
        "urllib3",
        "sqlalchemy",
        "alembic",
        "_granian",
        "stevedore",
        "oslo_policy",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
