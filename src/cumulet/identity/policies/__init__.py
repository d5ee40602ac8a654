"""Identity's access rules, one module a noun."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.identity.policies import (
    access_rules,
    application_credentials,
    base,
    consumers,
    credentials,
    domain_config,
    domains,
    endpoint_groups,
    endpoints,
    federation,
    grants,
    groups,
    implied_roles,
    limits,
    memberships,
    oauth1_tokens,
    policies,
    policy_associations,
    project_endpoints,
    project_tags,
    projects,
    regions,
    registered_limits,
    role_assignments,
    roles,
    services,
    tokens,
    trusts,
    users,
)
from cumulet.kernel.policy import Rule

_MODULES = (
    access_rules,
    application_credentials,
    base,
    consumers,
    credentials,
    domain_config,
    domains,
    endpoint_groups,
    endpoints,
    federation,
    grants,
    groups,
    implied_roles,
    limits,
    memberships,
    oauth1_tokens,
    policies,
    policy_associations,
    project_endpoints,
    project_tags,
    projects,
    regions,
    registered_limits,
    role_assignments,
    roles,
    services,
    tokens,
    trusts,
    users,
)


def rules() -> Iterator[Rule]:
    for module in _MODULES:
        yield from module.RULES
