"""Who may see and change limits: everybody sees what is their project's or domain's, administrators change."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, SYSTEM_READER
from cumulet.kernel.policy import Rule

_ALL = ["system", "domain", "project"]
_NOT_DOMAIN = ["system", "project"]
_OWN = (
    f"{ADMIN} or ({SYSTEM_READER})"
    " or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s"
    " or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)"
)

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_limit_model", "", scope_types=_ALL),
    RuleDefault("identity:get_limit", _OWN, scope_types=_ALL),
    RuleDefault("identity:list_limits", "", scope_types=_ALL),
    RuleDefault("identity:create_limits", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:update_limit", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:delete_limit", ADMIN, scope_types=_NOT_DOMAIN),
)
