"""Who may see and change groups of endpoints, and give them to projects."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import ADMIN, READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_SCOPES = ["system", "project"]

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:create_endpoint_group", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoint_groups", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_endpoint_group", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:update_endpoint_group", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:delete_endpoint_group", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_projects_associated_with_endpoint_group", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoints_associated_with_endpoint_group", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:get_endpoint_group_in_project", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:list_endpoint_groups_for_project", READER_OR_ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:add_endpoint_group_to_project", ADMIN, scope_types=_SCOPES),
    RuleDefault("identity:remove_endpoint_group_from_project", ADMIN, scope_types=_SCOPES),
)
