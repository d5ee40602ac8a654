"""Identity's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.identity.policies import base, regions
from cumulet.kernel.policy import Rule


def rules() -> Iterator[Rule]:
    for module in (base, regions):
        yield from module.RULES
