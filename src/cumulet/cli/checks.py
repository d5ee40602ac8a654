"""What `… upgrade check` commands are made of: checks, their results in a table, and the program around them."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, Final, NamedTuple, NoReturn

from cumulet.cli.stores import Refused, add_options
from cumulet.cli.tables import boxes

_WIDTH: Final = 60
_NOT_DONE: Final = 255  # the checks could not be made at all


class Code(IntEnum):
    """What a check found; the worst of all is the exit status."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


class Result(NamedTuple):
    """`details`: what is wrong and what the operator does about it."""

    code: Code
    details: str | None = None


FINE: Final = Result(Code.SUCCESS)
Check = tuple[str, Callable[[Any], Result]]
"""A check's name, and what makes it: asked with the service, as `stores.opened` gives it."""


def policy_file(service: Any, project: str) -> Result:
    """The operator's rules are YAML. `project`: the code name by which its configuration directory is called."""
    directory = service.env.paths.config / project
    if not str(service.conf.oslo_policy.policy_file).endswith(".json") and not (directory / "policy.json").exists():
        return FINE
    return Result(
        Code.FAILURE,
        "Your policy file is JSON-formatted which is not supported. You need to switch to YAML-formatted file: use the "
        "oslopolicy-convert-json-to-yaml tool.",
    )


def main(
    program: str,
    title: str,
    file: str,
    opened: Callable[[argparse.Namespace], AbstractContextManager[Any]],
    checks: Sequence[Check],
    arguments: Sequence[str] | None,
) -> NoReturn:
    """`PROGRAM upgrade check`. `title`: the service's name; `file`: the original's configuration file."""
    parser = argparse.ArgumentParser(prog=program, description=f"Check {title} before an upgrade.")
    add_options(parser, file)
    upgrade = parser.add_subparsers(required=True, metavar="GROUP").add_parser("upgrade", help="upgrade commands")
    upgrade.add_subparsers(required=True, metavar="COMMAND").add_parser("check", help="check readiness")
    given = parser.parse_args(arguments)
    try:
        with opened(given) as service:
            code = _report([(name, check(service)) for name, check in checks])
    except Refused as error:
        print(f"{program}: {error}", file=sys.stderr)
        code = _NOT_DONE
    sys.exit(code)


def _report(results: Sequence[tuple[str, Result]]) -> int:
    """Print each check's name and result; returns the worst code."""
    print(boxes("Upgrade Check Results", [_cell(name, result) for name, result in results]))
    return max(result.code for _, result in results)


def _cell(name: str, result: Result) -> str:
    details = textwrap.fill(f"Details: {result.details}", _WIDTH, subsequent_indent="  ")
    return f"Check: {name}\nResult: {result.code.name.capitalize()}\n{details}"
