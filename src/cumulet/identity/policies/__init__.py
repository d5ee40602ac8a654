"""Identity's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.identity.policies import (
    base,
    grants,
    implied_roles,
    regions,
    role_assignments,
    roles,
    tokens,
)
from cumulet.kernel.policy import Rule


def rules() -> Iterator[Rule]:
    for module in (base, grants, implied_roles, regions, role_assignments, roles, tokens):
        yield from module.RULES
