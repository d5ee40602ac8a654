"""Who may list assignments: administrators and system readers all, a domain's readers those of the domain."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, SYSTEM_READER
from cumulet.kernel.policy import Rule

_ALL = ["system", "domain", "project"]
_READERS = (
    f"({ADMIN}) or ({SYSTEM_READER}) or "
    "(role:reader and domain_id:%(target.domain_id)s and not None:%(target.domain_id)s)"
)

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:list_role_assignments", _READERS, scope_types=_ALL),
    RuleDefault("identity:list_role_assignments_for_tree", _READERS, scope_types=_ALL),
)
