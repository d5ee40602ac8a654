"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same."""

from __future__ import annotations

from typing import Final

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault("context_is_admin", "role:admin"),
    RuleDefault("admin_or_owner", "is_admin:True or project_id:%(project_id)s"),
    RuleDefault("admin_api", "is_admin:True"),
    RuleDefault("project_member_api", "role:member and project_id:%(project_id)s"),
    RuleDefault("project_reader_api", "role:reader and project_id:%(project_id)s"),
    RuleDefault("project_manager_api", "role:manager and project_id:%(project_id)s"),
    RuleDefault("project_member_or_admin", "rule:project_member_api or rule:context_is_admin"),
    RuleDefault("project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin"),
    RuleDefault("project_manager_or_admin", "rule:project_manager_api or rule:context_is_admin"),
    RuleDefault("service_api", "role:service"),
)
ADMIN: Final = "rule:context_is_admin"
MEMBER: Final = "rule:project_member_or_admin"
MANAGER: Final = "rule:project_manager_or_admin"
READER: Final = "rule:project_reader_or_admin"
ANYBODY: Final = ""


def rule(name: str, check: str) -> Rule:
    """`os_compute_api:<name>`, for project-scoped tokens as today's defaults have it."""
    return RuleDefault(f"os_compute_api:{name}", check, scope_types=["project"])
