"""Who may see and end trusts: their trustor, for seeing their trustee; one is only made by its trustor."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]
_TRUSTOR = "user_id:%(target.trust.trustor_user_id)s"
_TRUSTEE = "user_id:%(target.trust.trustee_user_id)s"
_PARTIES = f"{READER_OR_ADMIN} or {_TRUSTOR} or {_TRUSTEE}"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:create_trust", _TRUSTOR, scope_types=["project"]),
    RuleDefault("identity:list_trusts", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_trusts_for_trustor", f"{READER_OR_ADMIN} or {_TRUSTOR}", scope_types=_SCOPES),
    RuleDefault("identity:list_trusts_for_trustee", f"{READER_OR_ADMIN} or {_TRUSTEE}", scope_types=_SCOPES),
    RuleDefault("identity:get_trust", _PARTIES, scope_types=_SCOPES),
    RuleDefault("identity:list_roles_for_trust", _PARTIES, scope_types=_SCOPES),
    RuleDefault("identity:get_role_for_trust", _PARTIES, scope_types=_SCOPES),
    RuleDefault("identity:delete_trust", f"rule:admin_required or {_TRUSTOR}", scope_types=_SCOPES),
)
