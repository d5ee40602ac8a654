"""Who may see and end application credentials: their user and administrators; one is only made by its user."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_application_credential", f"{READER_OR_ADMIN} or rule:owner", scope_types=_SCOPES),
    RuleDefault("identity:list_application_credentials", f"{READER_OR_ADMIN} or rule:owner", scope_types=_SCOPES),
    RuleDefault("identity:create_application_credential", "rule:owner", scope_types=["project"]),
    RuleDefault("identity:delete_application_credential", "rule:admin_or_owner", scope_types=_SCOPES),
)
