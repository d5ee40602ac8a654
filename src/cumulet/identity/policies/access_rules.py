"""Who may see and delete access rules: their user, and administrators of the system."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]
_OWNER = "user_id:%(target.user.id)s"
_SEEN_BY = f"(role:reader and system_scope:all) or {_OWNER}"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_access_rule", _SEEN_BY, scope_types=_SCOPES),
    RuleDefault("identity:list_access_rules", _SEEN_BY, scope_types=_SCOPES),
    RuleDefault("identity:delete_access_rule", f"(role:admin and system_scope:all) or {_OWNER}", scope_types=_SCOPES),
)
