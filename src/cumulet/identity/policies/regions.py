"""Who may see and change regions: everybody reads, administrators write."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "domain", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_region", "", scope_types=_SCOPES),
    RuleDefault("identity:list_regions", "", scope_types=_SCOPES),
    RuleDefault("identity:create_region", ADMIN, scope_types=["system", "project"]),
    RuleDefault("identity:update_region", ADMIN, scope_types=["system", "project"]),
    RuleDefault("identity:delete_region", ADMIN, scope_types=["system", "project"]),
)
