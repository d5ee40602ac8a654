"""Who may see and change policies that other services fetch."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_policy", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_policies", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_policy", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:update_policy", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_policy", ADMIN, scope_types=_SCOPES),
)
