"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same."""

from __future__ import annotations

from typing import Final

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault(
        "admin_or_owner",
        "is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s",
    ),
    RuleDefault(
        "system_or_domain_or_project_admin",
        "(role:admin and system_scope:all) or (role:admin and domain_id:%(domain_id)s) "
        "or (role:admin and project_id:%(project_id)s)",
    ),
    RuleDefault("context_is_admin", "role:admin"),
    RuleDefault("admin_api", "is_admin:True or (role:admin and is_admin_project:True)"),
    RuleDefault("xena_system_admin_or_project_reader", "(role:admin) or (role:reader and project_id:%(project_id)s)"),
    RuleDefault("xena_system_admin_or_project_member", "(role:admin) or (role:member and project_id:%(project_id)s)"),
)
ADMIN: Final = "rule:admin_api"
MEMBER: Final = "rule:xena_system_admin_or_project_member"
READER: Final = "rule:xena_system_admin_or_project_reader"


def rules(check: str, *names: str) -> tuple[Rule, ...]:
    """One rule a name, all with the same check."""
    return tuple(RuleDefault(name, check) for name in names)
