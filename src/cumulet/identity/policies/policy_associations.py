"""Who may see and change which policy an endpoint, a service or a region has."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:create_policy_association_for_endpoint", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:check_policy_association_for_endpoint", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_policy_association_for_endpoint", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_policy_association_for_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:check_policy_association_for_service", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_policy_association_for_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:create_policy_association_for_region_and_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:check_policy_association_for_region_and_service", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_policy_association_for_region_and_service", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_policy_for_endpoint", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoints_for_policy", READER_OR_ADMIN, scope_types=_SCOPES),
)
