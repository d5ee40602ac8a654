"""Who may see and change which role implies which."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_implied_role", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_implied_roles", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_role_inference_rules", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:check_implied_role", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_implied_role", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_implied_role", ADMIN, scope_types=_SCOPES),
)
