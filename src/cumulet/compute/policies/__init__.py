"""Compute's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.compute.policies import base, flavors, key_pairs, operators, servers
from cumulet.kernel.policy import Rule


def rules() -> Iterator[Rule]:
    for module in (base, flavors, key_pairs, operators, servers):
        yield from module.RULES
