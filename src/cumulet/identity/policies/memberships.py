"""Who may see and change who is in a group. A domain's own people may only where user and group are the domain's."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "domain", "project"]
_GROUP, _USER = "domain_id:%(target.group.domain_id)s", "domain_id:%(target.user.domain_id)s"
_WRITE = f"rule:admin_required or (role:manager and {_GROUP} and {_USER})"

RULES: tuple[Rule, ...] = (
    RuleDefault(
        "identity:list_groups_for_user",
        f"{READER_OR_ADMIN} or (role:reader and {_USER}) or user_id:%(user_id)s",
        scope_types=_SCOPES,
    ),
    RuleDefault(
        "identity:list_users_in_group", f"{READER_OR_ADMIN} or (role:reader and {_GROUP})", scope_types=_SCOPES
    ),
    RuleDefault(
        "identity:check_user_in_group",
        f"{READER_OR_ADMIN} or (role:reader and {_GROUP} and {_USER})",
        scope_types=_SCOPES,
    ),
    RuleDefault("identity:add_user_to_group", _WRITE, scope_types=_SCOPES),
    RuleDefault("identity:remove_user_from_group", _WRITE, scope_types=_SCOPES),
)
