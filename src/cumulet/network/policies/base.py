"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault("context_is_admin", "role:admin"),
    RuleDefault("service_api", "role:service"),
    RuleDefault("owner", "tenant_id:%(tenant_id)s"),
    RuleDefault("admin_or_owner", "rule:context_is_admin or rule:owner"),
    RuleDefault("admin_only", "rule:context_is_admin"),
    RuleDefault("regular_user", ""),
    RuleDefault("default", "rule:admin_or_owner"),
)
ADMIN = "rule:admin_only"
SERVICE = "rule:service_api"
ADMIN_OR_SERVICE = "rule:admin_only or rule:service_api"
ANYBODY = ""
MEMBER = "rule:admin_only or (role:member and project_id:%(project_id)s)"
MANAGER = "rule:admin_only or (role:manager and project_id:%(project_id)s)"
READER = "rule:admin_only or (role:reader and project_id:%(project_id)s)"
"""What may be seen is narrowed by the list's own condition; these say which role it takes."""


def crud(noun: str, *, read: str = READER, write: str = MEMBER, guarded: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """`get_`, `create_`, `update_`, `delete_<noun>`, and administrators' rules for the guarded attributes."""
    rules = [
        RuleDefault(f"get_{noun}", read, scope_types=["project"]),
        *(RuleDefault(f"{verb}_{noun}", write, scope_types=["project"]) for verb in ("create", "update", "delete")),
    ]
    for attribute in guarded:
        rules += [
            RuleDefault(f"{verb}_{noun}:{attribute}", ADMIN, scope_types=["project"]) for verb in ("create", "update")
        ]
    return tuple(rules)
