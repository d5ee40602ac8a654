"""Log lines: one JSON object a line, with the request it belongs to, in files that do not grow for ever."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.cli import lines
from cumulet.kernel import logs
from cumulet.kernel.context import current_request


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger of its own with our handler: the root logger belongs to pytest."""
    made = logging.Logger("tests.logs", logging.DEBUG)
    made.addHandler(logs.JsonLines("api-1", tmp_path))
    yield made
    for handler in made.handlers:
        handler.close()


def read(directory: Path, name: str = "api-1.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / name).read_text().splitlines()]


def test_a_line_says_when_who_and_what(logger: logging.Logger, tmp_path: Path) -> None:
    logger.info("listening on %s", "port 5000", extra={"port": 5000})
    [entry] = read(tmp_path)
    assert entry["message"] == "listening on port 5000"
    assert (entry["level"], entry["role"], entry["pid"], entry["port"]) == ("INFO", "api-1", os.getpid(), 5000)
    assert entry["time"].endswith("Z") and len(entry["time"]) == len("2026-01-31T12:00:00.000Z")


def test_a_line_belongs_to_its_request(logger: logging.Logger, tmp_path: Path) -> None:
    token = current_request.set(("req-own", "req-global"))
    logger.info("in a request")
    current_request.reset(token)
    logger.info("outside")
    inside, outside = read(tmp_path)
    assert (inside["request_id"], inside["global_request_id"]) == ("req-own", "req-global")
    assert "request_id" not in outside


def test_an_exception_is_in_its_line(logger: logging.Logger, tmp_path: Path) -> None:
    try:
        raise ValueError("a reason\nin two lines")
    except ValueError:
        logger.exception("failed")
    [entry] = read(tmp_path)
    assert "ValueError: a reason" in entry["exception"] and "test_logs.py" in entry["exception"]


def test_anything_can_be_logged(logger: logging.Logger, tmp_path: Path) -> None:
    logger.info("%s", object(), extra={"path": tmp_path, "thing": object(), "name_of": {"set"}})
    [entry] = read(tmp_path)
    assert entry["path"] == str(tmp_path)


def test_a_forged_line_stays_inside_its_own(logger: logging.Logger, tmp_path: Path) -> None:
    """A user's text with line ends cannot make an entry of its own."""
    logger.info("login of %s", 'eve\n{"time": "2026", "message": "root logged in"}')
    assert len(read(tmp_path)) == 1


def test_files_are_for_their_owner(logger: logging.Logger, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "api-1.jsonl").stat().st_mode) == 0o600


def test_a_full_file_is_set_aside(tmp_path: Path) -> None:
    logger = logging.Logger("tests.rotation", logging.INFO)
    logger.addHandler(logs.JsonLines("api-1", tmp_path, largest=1000))
    for number in range(100):
        logger.info("line %d", number)
    logger.handlers[0].close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["api-1.1.jsonl", "api-1.2.jsonl", "api-1.jsonl"]
    kept = [entry["message"] for entry in lines.merged(tmp_path)]
    assert kept == [f"line {number}" for number in range(100 - len(kept), 100)]
    assert all(file.stat().st_size < 1400 for file in tmp_path.iterdir())


def test_entries_of_all_roles_come_by_time(tmp_path: Path) -> None:
    for role, seconds in (("api-1", (1, 4)), ("engine", (2, 3)), ("api-2", (5,))):
        text = "".join(f'{{"time":"2026-01-01T00:00:0{s}.000Z","message":"{s}"}}\n' for s in seconds)
        (tmp_path / f"{role}.jsonl").write_text(text)
    assert [entry["message"] for entry in lines.merged(tmp_path)] == ["1", "2", "3", "4", "5"]
    assert [entry["message"] for entry in lines.merged(tmp_path, "engine")] == ["2", "3"]


def test_foreign_lines_are_shown_too(tmp_path: Path) -> None:
    (tmp_path / "api-1.jsonl").write_bytes(b"a library's own print \xff\n[1]\n")
    assert [lines.text(entry).split()[:2] for entry in lines.merged(tmp_path)] == [["api-1", "INFO"]] * 2


def test_an_access_line_reads_like_one(logger: logging.Logger, tmp_path: Path) -> None:
    logger.info("request", extra={"method": "GET", "path": "/v3/users", "status": 200, "ms": 1.25})
    assert lines.text(read(tmp_path)[0]).endswith("GET /v3/users -> 200 in 1.25 ms")
