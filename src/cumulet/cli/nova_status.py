"""`nova-status upgrade check`: whether everything is as this version needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.cli import checks
from cumulet.cli.checks import FINE, Check, Code, Result
from cumulet.cli.nova_store import compute_service

_NEEDED = (1, 36)  # the least Placement microversion that Compute can work with


def _cells(compute: Any) -> Result:
    from cumulet.compute.domain import cells

    known = cells.listed(compute)
    if not any(cell.id == cells.CELL0 for cell in known):
        return Result(Code.FAILURE, "No cell0 is mapped. Run the 'nova-manage cell_v2 map_cell0' command.")
    if len(known) < 2:
        return Result(Code.FAILURE, "No cell for hosts is there. Run the 'nova-manage cell_v2 create_cell' command.")
    return FINE


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
    return FINE


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
        return FINE
    return Result(
        Code.WARNING,
        f"There are {len(missing)} compute nodes without a resource provider of {len(nodes)}; they get one when their "
        "agents report the next time.",
    )


def _policy_file(compute: Any) -> Result:
    return checks.policy_file(compute, "nova")


_CHECKS: tuple[Check, ...] = (
    ("Cells v2", _cells),
    ("Placement API", _placement),
    ("Resource Providers", _providers),
    ("Policy File JSON to YAML Migration", _policy_file),
)


def main(arguments: Sequence[str] | None = None) -> None:
    checks.main("nova-status", "Compute", "nova.conf", compute_service, _CHECKS, arguments)


if __name__ == "__main__":
    main()
