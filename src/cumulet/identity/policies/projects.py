"""Who may see and change projects: administrators, readers of the system, a domain's readers and managers, and who
works in the project may see it."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

SCOPES = ["system", "domain", "project"]
# A domain has no domain of its own, and neither have callers without a domain scope.
IN_DOMAIN = "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s"
READ = f"{READER_OR_ADMIN} or (role:reader and {IN_DOMAIN}) or project_id:%(target.project.id)s"
WRITE = f"rule:admin_required or (role:manager and {IN_DOMAIN})"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_project", READ, scope_types=SCOPES),
    RuleDefault(
        "identity:list_projects",
        f"{READER_OR_ADMIN} or (role:reader and domain_id:%(target.domain_id)s)",
        scope_types=SCOPES,
    ),
    RuleDefault(
        "identity:list_user_projects",
        f"{READER_OR_ADMIN} or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
        scope_types=SCOPES,
    ),
    RuleDefault("identity:create_project", WRITE, scope_types=SCOPES),
    RuleDefault("identity:update_project", WRITE, scope_types=SCOPES),
    RuleDefault("identity:delete_project", WRITE, scope_types=SCOPES),
)
