"""Who may see and change groups: administrators, readers of the system, a domain's readers and managers."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "domain", "project"]
_IN_DOMAIN = "domain_id:%(target.group.domain_id)s"
_READ = f"{READER_OR_ADMIN} or (role:reader and {_IN_DOMAIN})"
_WRITE = f"rule:admin_required or (role:manager and {_IN_DOMAIN})"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_group", _READ, scope_types=_SCOPES),
    RuleDefault("identity:list_groups", _READ, scope_types=_SCOPES),
    RuleDefault("identity:create_group", _WRITE, scope_types=_SCOPES),
    RuleDefault("identity:update_group", _WRITE, scope_types=_SCOPES),
    RuleDefault("identity:delete_group", _WRITE, scope_types=_SCOPES),
)
