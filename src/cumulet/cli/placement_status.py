"""`placement-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.cli import checks
from cumulet.cli.checks import FINE, Check, Code, Result
from cumulet.cli.placement_manage import placement_service


def _root_provider_ids(placement: Any) -> Result:
    from cumulet.placement.domain import upgrades

    if not upgrades.count_lost_roots(placement):
        return FINE
    return Result(
        Code.FAILURE,
        "There is at least one resource provider table record which misses its root provider id. Run the "
        '"placement-manage db online_data_migrations" command.',
    )


def _incomplete_consumers(placement: Any) -> Result:
    from cumulet.placement.domain import upgrades

    missing = upgrades.count_lost_consumers(placement)
    if not missing:
        return FINE
    return Result(
        Code.WARNING,
        f"There are {missing} incomplete consumers table records for existing allocations. Run the "
        '"placement-manage db online_data_migrations" command.',
    )


def _policy_file(placement: Any) -> Result:
    return checks.policy_file(placement, "placement")


_CHECKS: tuple[Check, ...] = (
    ("Missing Root Provider IDs", _root_provider_ids),
    ("Incomplete Consumers", _incomplete_consumers),
    ("Policy File JSON to YAML Migration", _policy_file),
)


def main(arguments: Sequence[str] | None = None) -> None:
    checks.main("placement-status", "Placement", "placement.conf", placement_service, _CHECKS, arguments)


if __name__ == "__main__":
    main()
