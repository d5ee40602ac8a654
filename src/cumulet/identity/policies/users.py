"""Who may see and change users: administrators, readers of the system, a domain's readers and managers, oneself."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "domain", "project"]
_IN_DOMAIN = "domain_id:%(target.user.domain_id)s"
_READ = f"{READER_OR_ADMIN} or (role:reader and {_IN_DOMAIN}) or user_id:%(target.user.id)s"
_LIST = f"{READER_OR_ADMIN} or (role:reader and domain_id:%(target.domain_id)s)"
_WRITE = f"rule:admin_required or (role:manager and {_IN_DOMAIN})"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_user", _READ, scope_types=_SCOPES),
    RuleDefault("identity:list_users", _LIST, scope_types=_SCOPES),
    RuleDefault("identity:create_user", _WRITE, scope_types=_SCOPES),
    RuleDefault("identity:update_user", _WRITE, scope_types=_SCOPES),
    RuleDefault("identity:delete_user", _WRITE, scope_types=_SCOPES),
)
