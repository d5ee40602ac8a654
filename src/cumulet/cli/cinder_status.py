"""`cinder-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from cumulet.cli.checks import Code, Result, report
from cumulet.cli.cinder_manage import volume_service
from cumulet.cli.stores import Refused, add_options

_FINE = Result(Code.SUCCESS)


def _tables(volume: Any) -> Result:
    from cumulet.kernel import migrate
    from cumulet.volume import app

    current = migrate.current(volume.db, app.SCHEMA)
    if current == app.SCHEMA.head:
        return _FINE
    return Result(
        Code.FAILURE,
        f"The tables are at revision {current or 'none'}, the newest is {app.SCHEMA.head}. Run: cinder-manage db sync",
    )


def _policy_file(volume: Any) -> Result:
    directory = volume.env.paths.config / "cinder"
    if not str(volume.conf.oslo_policy.policy_file).endswith(".json") and not (directory / "policy.json").exists():
        return _FINE
    return Result(
        Code.FAILURE,
        "Your policy file is JSON-formatted which is not supported. You need to switch to YAML-formatted file: use the "
        "oslopolicy-convert-json-to-yaml tool.",
    )


def _backends(volume: Any) -> Result:
    """What `enabled_backends` names has a section of its own that says which driver it is."""
    from oslo_config import cfg

    missing = []
    for name in volume.conf.enabled_backends:
        volume.conf.register_opts([cfg.StrOpt("volume_driver")], group=name)
        if not volume.conf[name].volume_driver:
            missing.append(name)
    if not missing:
        return _FINE
    return Result(Code.WARNING, f"Back ends without a volume_driver: {', '.join(missing)}.")


_CHECKS = (
    ("Tables", _tables),
    ("Use of Policy File", _policy_file),
    ("Volume Drivers", _backends),
)


def check(given: argparse.Namespace) -> int:
    with volume_service(given, synchronised=False) as volume:
        return report([(name, run(volume)) for name, run in _CHECKS])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="cinder-status", description="Check Volume before an upgrade.")
    add_options(parser, "cinder.conf")
    upgrade = parser.add_subparsers(required=True, metavar="GROUP").add_parser("upgrade", help="upgrade commands")
    upgrade.add_subparsers(required=True, metavar="COMMAND").add_parser("check", help="check readiness")
    given = parser.parse_args(arguments)
    try:
        code = check(given)
    except Refused as error:
        print(f"cinder-status: {error}", file=sys.stderr)
        code = 255
    sys.exit(code)


if __name__ == "__main__":
    main()
