"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same."""

from __future__ import annotations

from oslo_policy.policy import DocumentedRuleDefault, RuleDefault

from cumulet.kernel.policy import Rule

ADMIN_OR_SERVICE = "rule:admin_or_service_api"
SERVICE = "rule:service_api"
PROJECT_READER = "rule:admin_or_project_reader_or_service_api"
_PROJECT = ["project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("admin_api", "role:admin", scope_types=_PROJECT),
    RuleDefault("service_api", "role:service", scope_types=_PROJECT),
    RuleDefault("admin_or_service_api", "role:admin or role:service", scope_types=_PROJECT),
    RuleDefault("project_reader_api", "role:reader and project_id:%(project_id)s"),
    RuleDefault(
        "admin_or_project_reader_or_service_api",
        "role:admin or rule:project_reader_api or role:service",
        scope_types=_PROJECT,
    ),
)


def rule(name: str, method: str, path: str, check: str = ADMIN_OR_SERVICE) -> Rule:
    """The rule of one operation: `placement:<name>`."""
    return DocumentedRuleDefault(
        f"placement:{name}", check, f"{method} {path}", [{"method": method, "path": path}], scope_types=_PROJECT
    )
