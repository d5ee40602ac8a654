"""Who may see and change OAuth 1.0a consumers."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_consumer", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_consumers", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_consumer", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:update_consumer", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_consumer", ADMIN, scope_types=_SCOPES),
)
