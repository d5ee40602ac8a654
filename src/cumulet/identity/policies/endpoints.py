"""Who may see and change endpoints: system readers see, administrators change."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_endpoint", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoints", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_endpoint", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:update_endpoint", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_endpoint", ADMIN, scope_types=_SCOPES),
)
