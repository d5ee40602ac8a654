"""Reading the JSON log lines of all processes of a cloud, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_SHOWN = {"time", "level", "role", "pid", "logger", "message", "request_id", "global_request_id", "exception"}


def decode(line: bytes, role: str = "") -> dict[str, Any]:
    """One line as written by kernel.logs; anything else (a library's own print) becomes a message."""
    try:
        entry = _decode(line)
    except msgspec.DecodeError:
        entry = None
    if not isinstance(entry, dict) or "time" not in entry:
        return {"time": "", "level": "INFO", "role": role, "message": line.decode(errors="replace").rstrip()}
    return entry


def files(directory: Path, role: str | None = None) -> list[Path]:
    """Every log file, of one role if it is given, a role's older files first."""
    found = [file for file in directory.glob("*.jsonl") if role is None or _role_of(file) == role]
    return sorted(found, key=lambda file: (_role_of(file), -_age_of(file)))


def _role_of(file: Path) -> str:
    return file.name.removesuffix(".jsonl").partition(".")[0]


def _age_of(file: Path) -> int:
    number = file.name.removesuffix(".jsonl").partition(".")[2]
    return int(number) if number.isdecimal() else 0


def _of_role(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                yield decode(line, _role_of(path))


def merged(directory: Path, role: str | None = None) -> Iterator[dict[str, Any]]:
    """Every entry of every role by time; never more than a line of each file in memory."""
    by_role: dict[str, list[Path]] = {}
    for file in files(directory, role):
        by_role.setdefault(_role_of(file), []).append(file)
    return heapq.merge(*(_of_role(paths) for paths in by_role.values()), key=lambda entry: entry["time"])


def text(entry: dict[str, Any]) -> str:
    """An entry for reading: time, role, level, message, then what else it holds."""
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _SHOWN and value is not None)
    if entry.get("method"):  # an access line
        rest = f"{entry['method']} {entry.get('path')} -> {entry.get('status')} in {entry.get('ms')} ms"
    request = f" [{entry['request_id']}]" if entry.get("request_id") else ""
    head = f"{entry['time']} {entry.get('role', ''):<10} {entry.get('level', ''):<8}{request} {entry.get('message')}"
    shown = f"{head} {rest}".rstrip()
    return f"{shown}\n{entry['exception'].rstrip()}" if entry.get("exception") else shown
