"""Who may see and change which endpoints a project gets."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:list_projects_for_endpoint", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:add_endpoint_to_project", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:check_endpoint_in_project", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoints_for_project", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:remove_endpoint_from_project", ADMIN, scope_types=_SCOPES),
)
