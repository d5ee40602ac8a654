"""`cinder-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from cumulet.cli import checks
from cumulet.cli.checks import FINE, Check, Code, Result
from cumulet.cli.cinder_manage import volume_service


def _tables(volume: Any) -> Result:
    from cumulet.kernel import migrate
    from cumulet.volume import app

    current = migrate.current(volume.db, app.SCHEMA)
    if current == app.SCHEMA.head:
        return FINE
    return Result(
        Code.FAILURE,
        f"The tables are at revision {current or 'none'}, the newest is {app.SCHEMA.head}. Run: cinder-manage db sync",
    )


def _policy_file(volume: Any) -> Result:
    return checks.policy_file(volume, "cinder")


def _backends(volume: Any) -> Result:
    """What `enabled_backends` names has a section of its own that says which driver it is."""
    from oslo_config import cfg

    missing = []
    for name in volume.conf.enabled_backends:
        volume.conf.register_opts([cfg.StrOpt("volume_driver")], group=name)
        if not volume.conf[name].volume_driver:
            missing.append(name)
    if not missing:
        return FINE
    return Result(Code.WARNING, f"Back ends without a volume_driver: {', '.join(missing)}.")


_CHECKS: tuple[Check, ...] = (
    ("Tables", _tables),
    ("Use of Policy File", _policy_file),
    ("Volume Drivers", _backends),
)


def _unchanged(given: argparse.Namespace) -> AbstractContextManager[Any]:
    """The service with its tables as they were found: whether they are the newest is what is checked."""
    return volume_service(given, synchronised=False)


def main(arguments: Sequence[str] | None = None) -> None:
    checks.main("cinder-status", "Volume", "cinder.conf", _unchanged, _CHECKS, arguments)


if __name__ == "__main__":
    main()
