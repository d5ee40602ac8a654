"""Placement's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.kernel.policy import Rule
from cumulet.placement.policies import (
    aggregates,
    allocation_candidates,
    allocations,
    base,
    inventories,
    reshaper,
    resource_classes,
    resource_providers,
    traits,
    usages,
)


def rules() -> Iterator[Rule]:
    for module in (
        base,
        resource_providers,
        inventories,
        resource_classes,
        traits,
        aggregates,
        allocations,
        allocation_candidates,
        usages,
        reshaper,
    ):
        yield from module.RULES
