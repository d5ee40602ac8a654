"""Network's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.kernel.policy import Rule
from cumulet.network.policies import address_scopes, base


def rules() -> Iterator[Rule]:
    for module in (base, address_scopes):
        yield from module.RULES
