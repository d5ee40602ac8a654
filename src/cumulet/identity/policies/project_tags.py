"""Who may see and change a project's tags: who may see and change the project."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.projects import READ, SCOPES, WRITE
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:list_project_tags", READ, scope_types=SCOPES),
    RuleDefault("identity:get_project_tag", READ, scope_types=SCOPES),
    RuleDefault("identity:update_project_tags", WRITE, scope_types=SCOPES),
    RuleDefault("identity:create_project_tag", WRITE, scope_types=SCOPES),
    RuleDefault("identity:delete_project_tags", WRITE, scope_types=SCOPES),
    RuleDefault("identity:delete_project_tag", WRITE, scope_types=SCOPES),
)
