"""Who may give and take roles: administrators everywhere, a domain's administrators and managers inside it.

A rule sees `target.role`, the `target.user` or `target.group` and the `target.project` or `target.domain` of a grant.
"""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN, SYSTEM_READER
from cumulet.kernel.policy import Rule

_ALL = ["system", "domain", "project"]
_NOT_DOMAIN = ["system", "project"]
_ACTORS = ("domain_id:%(target.user.domain_id)s", "domain_id:%(target.group.domain_id)s")
_TARGETS = ("domain_id:%(target.project.domain_id)s", "domain_id:%(target.domain.id)s")


def _in_own_domain(role: str) -> str:
    """Whoever has `role` on the domain of both the user or group and the project or domain."""
    return " or ".join(f"(role:{role} and {actor} and {target})" for actor in _ACTORS for target in _TARGETS)


_OWN_ROLE = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
_LIST = f"{ADMIN} or ({SYSTEM_READER}) or {_in_own_domain('reader')}"
_CHECK = f"{ADMIN} or ({SYSTEM_READER}) or ({_in_own_domain('reader')}) and {_OWN_ROLE}"
_CHANGE = (
    f"{ADMIN} or ({_in_own_domain('admin')}) and {_OWN_ROLE}"
    f" or ({_in_own_domain('manager')}) and rule:domain_managed_target_role"
)

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:check_grant", _CHECK, scope_types=_ALL),
    RuleDefault("identity:list_grants", _LIST, scope_types=_ALL),
    RuleDefault("identity:create_grant", _CHANGE, scope_types=_ALL),
    RuleDefault("identity:revoke_grant", _CHANGE, scope_types=_ALL),
    RuleDefault("identity:list_system_grants_for_user", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:check_system_grant_for_user", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:create_system_grant_for_user", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:revoke_system_grant_for_user", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:list_system_grants_for_group", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:check_system_grant_for_group", READER_OR_ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:create_system_grant_for_group", ADMIN, scope_types=_NOT_DOMAIN),
    RuleDefault("identity:revoke_system_grant_for_group", ADMIN, scope_types=_NOT_DOMAIN),
)
