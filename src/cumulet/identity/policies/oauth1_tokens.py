"""Who may let a consumer act for them, and see and end what users let consumers do."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:authorize_request_token", ADMIN, scope_types=["project"]),
    RuleDefault("identity:get_access_token", ADMIN, scope_types=["project"]),
    RuleDefault("identity:get_access_token_role", ADMIN, scope_types=["project"]),
    RuleDefault("identity:list_access_tokens", ADMIN, scope_types=["project"]),
    RuleDefault("identity:list_access_token_roles", ADMIN, scope_types=["project"]),
    # Whoever let a consumer act for them may end it.
    RuleDefault("identity:delete_access_token", "rule:admin_or_owner", scope_types=["project"]),
)
