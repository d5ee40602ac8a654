"""Who may ask about tokens and end them: their users, services, administrators, readers of the system."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_ANY = ["system", "domain", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:check_token", f"{READER_OR_ADMIN} or rule:token_subject", scope_types=_ANY),
    RuleDefault(
        "identity:validate_token",
        f"{READER_OR_ADMIN} or rule:service_role or rule:token_subject",
        scope_types=_ANY,
    ),
    RuleDefault("identity:revoke_token", "rule:admin_required or rule:token_subject", scope_types=_ANY),
    RuleDefault("identity:revoke_tokens_for_user", "rule:admin_or_owner", scope_types=_ANY),
    RuleDefault("identity:revocation_list", "rule:service_or_admin", scope_types=["system", "project"]),
    RuleDefault("identity:list_revoke_events", "rule:service_or_admin", scope_types=["system", "project"]),
    RuleDefault("identity:get_auth_catalog", ""),
    RuleDefault("identity:get_auth_projects", ""),
    RuleDefault("identity:get_auth_domains", ""),
    RuleDefault("identity:get_auth_system", ""),
)
