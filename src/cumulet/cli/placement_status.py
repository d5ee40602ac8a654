"""`placement-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from cumulet.cli.checks import Code, Result, report
from cumulet.cli.placement_manage import placement_service
from cumulet.cli.stores import Refused, add_options

_FINE = Result(Code.SUCCESS)


def _root_provider_ids(placement: Any) -> Result:
    from cumulet.placement.domain import upgrades

    if not upgrades.count_lost_roots(placement):
        return _FINE
    return Result(
        Code.FAILURE,
        "There is at least one resource provider table record which misses its root provider id. Run the "
        '"placement-manage db online_data_migrations" command.',
    )


def _incomplete_consumers(placement: Any) -> Result:
    from cumulet.placement.domain import upgrades

    missing = upgrades.count_lost_consumers(placement)
    if not missing:
        return _FINE
    return Result(
        Code.WARNING,
        f"There are {missing} incomplete consumers table records for existing allocations. Run the "
        '"placement-manage db online_data_migrations" command.',
    )


def _policy_file(placement: Any) -> Result:
    directory = placement.env.paths.config / "placement"
    if not str(placement.conf.oslo_policy.policy_file).endswith(".json") and not (directory / "policy.json").exists():
        return _FINE
    return Result(
        Code.FAILURE,
        "Your policy file is JSON-formatted which is not supported. You need to switch to YAML-formatted file: use the "
        "oslopolicy-convert-json-to-yaml tool.",
    )


_CHECKS = (
    ("Missing Root Provider IDs", _root_provider_ids),
    ("Incomplete Consumers", _incomplete_consumers),
    ("Policy File JSON to YAML Migration", _policy_file),
)


def check(given: argparse.Namespace) -> int:
    with placement_service(given) as placement:
        results = [(name, run(placement)) for name, run in _CHECKS]
    return report(results)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="placement-status", description="Check Placement before an upgrade.")
    add_options(parser, "placement.conf")
    upgrade = parser.add_subparsers(required=True, metavar="GROUP").add_parser("upgrade", help="upgrade commands")
    upgrade.add_subparsers(required=True, metavar="COMMAND").add_parser("check", help="check readiness")
    given = parser.parse_args(arguments)
    try:
        code = check(given)
    except Refused as error:
        print(f"placement-status: {error}", file=sys.stderr)
        code = 255
    sys.exit(code)


if __name__ == "__main__":
    main()
