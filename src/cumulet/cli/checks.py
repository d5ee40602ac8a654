"""What `… upgrade check` commands are made of: results, and their table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from cumulet.cli.tables import boxes

_WIDTH = 60


class Code(IntEnum):
    """What a check found; the worst of all is the exit status."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


class Result(NamedTuple):
    code: Code
    details: str | None = None


def report(results: Sequence[tuple[str, Result]]) -> int:
    """Print each check's name and result; returns the worst code."""
    print(boxes("Upgrade Check Results", [_cell(name, result) for name, result in results]))
    return max(result.code for _, result in results)


def _cell(name: str, result: Result) -> str:
    details = textwrap.fill(f"Details: {result.details}", _WIDTH, subsequent_indent="  ")
    return f"Check: {name}\nResult: {result.code.name.capitalize()}\n{details}"
