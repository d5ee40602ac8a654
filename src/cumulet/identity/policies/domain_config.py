"""Who may see and change a domain's own options: administrators; the rules for passwords are for everybody to see."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:create_domain_config", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_domain_config", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_security_compliance_domain_config", "", scope_types=["system", "domain", "project"]),
    RuleDefault("identity:update_domain_config", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_domain_config", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_domain_config_default", READER_OR_ADMIN, scope_types=_SCOPES),
)
