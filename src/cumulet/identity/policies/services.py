"""Who may see and change services: system readers see, administrators change."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_service", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_services", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:update_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_service", ADMIN, scope_types=_SCOPES),
)
