"""Who may see and change domains: administrators, readers of the system, and everybody sees the one they work in."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "domain", "project"]
_TARGET = "%(target.domain.id)s"

RULES: tuple[Rule, ...] = (
    RuleDefault(
        "identity:get_domain",
        f"{READER_OR_ADMIN} or domain_id:{_TARGET} or token.project.domain.id:{_TARGET}",
        scope_types=_SCOPES,
    ),
    RuleDefault(
        "identity:list_domains", f"{READER_OR_ADMIN} or (role:reader and domain_id:{_TARGET})", scope_types=_SCOPES
    ),
    RuleDefault("identity:create_domain", ADMIN, scope_types=["system", "project"]),
    RuleDefault("identity:update_domain", ADMIN, scope_types=["system", "project"]),
    RuleDefault("identity:delete_domain", ADMIN, scope_types=["system", "project"]),
)
