"""Compute's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.compute.policies import attachments, base, flavors, key_pairs, operators, servers
from cumulet.kernel.policy import Rule


def rules() -> Iterator[Rule]:
    for module in (attachments, base, flavors, key_pairs, operators, servers):
        yield from module.RULES
