"""Identity's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.identity.policies import (
    base,
    domain_config,
    domains,
    grants,
    groups,
    implied_roles,
    memberships,
    project_tags,
    projects,
    regions,
    role_assignments,
    roles,
    tokens,
    users,
)
from cumulet.kernel.policy import Rule

_MODULES = (
    base,
    domain_config,
    domains,
    grants,
    groups,
    implied_roles,
    memberships,
    project_tags,
    projects,
    regions,
    role_assignments,
    roles,
    tokens,
    users,
)


def rules() -> Iterator[Rule]:
    for module in (
        base,
        domain_config,
        domains,
        grants,
        groups,
        implied_roles,
        memberships,
        project_tags,
        projects,
        regions,
        role_assignments,
        roles,
        tokens,
        users,
    ):
        yield from module.RULES
