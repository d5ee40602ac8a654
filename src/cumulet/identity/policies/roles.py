"""Who may see and change roles: system readers and domain managers see, administrators change."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_ALL = ["system", "domain", "project"]
_NOT_DOMAIN = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault(
        "identity:get_role",
        f"({READER_OR_ADMIN}) or (role:manager and rule:domain_managed_target_role)",
        scope_types=_ALL,
    ),
    RuleDefault(
        "identity:list_roles", f"({READER_OR_ADMIN}) or (role:manager and not domain_id:None)", scope_types=_ALL
    ),
    RuleDefault("identity:create_role", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:update_role", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:delete_role", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:get_domain_role", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:list_domain_roles", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:create_domain_role", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:update_domain_role", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:delete_domain_role", ADMIN, scope_types=_NOT_DOMAIN),
)
