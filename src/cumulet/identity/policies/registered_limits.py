"""Who may see and change registered limits: everybody sees, administrators change."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN
from cumulet.kernel.policy import Rule

_ALL = ["system", "domain", "project"]
_NOT_DOMAIN = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_registered_limit", "", scope_types=_ALL),
    RuleDefault("identity:list_registered_limits", "", scope_types=_ALL),
    RuleDefault("identity:create_registered_limits", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:update_registered_limit", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:delete_registered_limit", ADMIN, scope_types=_NOT_DOMAIN),
)
