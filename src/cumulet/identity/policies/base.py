"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault("admin_required", "role:admin or is_admin:1"),
    RuleDefault("service_role", "role:service"),
    RuleDefault("service_or_admin", "rule:admin_required or rule:service_role"),
    RuleDefault("owner", "user_id:%(user_id)s"),
    RuleDefault("admin_or_owner", "rule:admin_required or rule:owner"),
    RuleDefault("token_subject", "user_id:%(target.token.user_id)s"),
    RuleDefault("admin_or_token_subject", "rule:admin_required or rule:token_subject"),
    RuleDefault("service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject"),
    # The roles that a domain's manager may give and take; an operator's policy.yaml may name others.
    RuleDefault(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
)
ADMIN = "rule:admin_required"
SYSTEM_READER = "role:reader and system_scope:all"
READER_OR_ADMIN = "rule:admin_required or (role:reader and system_scope:all)"
