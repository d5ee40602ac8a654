"""`nova-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from cumulet.cli.checks import Code, Result, report
from cumulet.cli.nova_store import compute_service
from cumulet.cli.stores import Refused, add_options

_FINE = Result(Code.SUCCESS)
_NEEDED = (1, 36)  # the least Placement microversion that Compute can work with


def _cells(compute: Any) -> Result:
    from cumulet.compute.domain import cells

    known = cells.listed(compute)
    if not any(cell.id == cells.CELL0 for cell in known):
        return Result(Code.FAILURE, "No cell0 is mapped. Run the 'nova-manage cell_v2 map_cell0' command.")
    if len(known) < 2:
        return Result(Code.FAILURE, "No cell for hosts is there. Run the 'nova-manage cell_v2 create_cell' command.")
    return _FINE


def _placement(compute: Any) -> Result:
    from cumulet.kernel.client import Unreachable

    try:
        answer = compute.session.request("GET", "placement", "/")
    except (Unreachable, LookupError) as error:
        return Result(Code.FAILURE, f"Placement API does not seem to be running: {error}")
    newest = answer.json()["versions"][0]["max_version"]
    if tuple(map(int, newest.split("."))) < _NEEDED:
        needed = ".".join(map(str, _NEEDED))
        return Result(Code.FAILURE, f"Placement API version {needed} needed, you have {newest}.")
    return _FINE


def _providers(compute: Any) -> Result:
    """Each compute node has its resource provider, so that servers can be scheduled to it."""
    from cumulet.compute.domain import cells
    from cumulet.kernel.client import Unreachable

    nodes = cells.node_ids(compute)
    try:
        answer = compute.session.request("GET", "placement", "/resource_providers")
    except (Unreachable, LookupError) as error:
        return Result(Code.FAILURE, f"Placement API does not seem to be running: {error}")
    known = {provider["uuid"] for provider in answer.json()["resource_providers"]}
    missing = [node for node in nodes if node not in known]
    if not missing:
        return _FINE
    return Result(
        Code.WARNING,
        f"There are {len(missing)} compute nodes without a resource provider of {len(nodes)}; they get one when their "
        "agents report the next time.",
    )


def _policy_file(compute: Any) -> Result:
    directory = compute.env.paths.config / "nova"
    if not str(compute.conf.oslo_policy.policy_file).endswith(".json") and not (directory / "policy.json").exists():
        return _FINE
    return Result(
        Code.FAILURE,
        "Your policy file is JSON-formatted which is not supported. You need to switch to YAML-formatted file: use the "
        "oslopolicy-convert-json-to-yaml tool.",
    )


_CHECKS = (
    ("Cells v2", _cells),
    ("Placement API", _placement),
    ("Resource Providers", _providers),
    ("Policy File JSON to YAML Migration", _policy_file),
)


def check(given: argparse.Namespace) -> int:
    """The worst of what the checks found."""
    with compute_service(given) as compute:
        return report([(name, run(compute)) for name, run in _CHECKS])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="nova-status", description="Check Compute before an upgrade.")
    add_options(parser, "nova.conf")
    upgrade = parser.add_subparsers(required=True, metavar="GROUP").add_parser("upgrade", help="upgrade commands")
    upgrade.add_subparsers(required=True, metavar="COMMAND").add_parser("check", help="check readiness")
    given = parser.parse_args(arguments)
    try:
        code = check(given)
    except Refused as error:
        print(f"nova-status: {error}", file=sys.stderr)
        code = 255
    sys.exit(code)


if __name__ == "__main__":
    main()
