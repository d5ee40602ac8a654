"""Who may see and change credentials: their user and administrators. EC2 credentials have rules of their own beside."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

_ANY = ["system", "domain", "project"]
_SCOPES = ["system", "project"]
_OWNER = "user_id:%(target.credential.user_id)s"
_CHANGED_BY = f"rule:admin_required or {_OWNER}"
_EC2_CHANGED_BY = f"rule:admin_required or (role:member and {_OWNER})"

RULES: tuple[Rule, ...] = (
    RuleDefault("identity:get_credential", f"{READER_OR_ADMIN} or {_OWNER}", scope_types=_ANY),
    RuleDefault("identity:list_credentials", f"{READER_OR_ADMIN} or {_OWNER}", scope_types=_ANY),
    RuleDefault("identity:create_credential", _CHANGED_BY, scope_types=_ANY),
    RuleDefault("identity:update_credential", _CHANGED_BY, scope_types=_ANY),
    RuleDefault("identity:delete_credential", _CHANGED_BY, scope_types=_ANY),
    RuleDefault("identity:ec2_get_credential", f"{READER_OR_ADMIN} or {_OWNER}", scope_types=_SCOPES),
    RuleDefault("identity:ec2_list_credentials", f"{READER_OR_ADMIN} or rule:owner", scope_types=_SCOPES),
    RuleDefault("identity:ec2_create_credential", _EC2_CHANGED_BY, scope_types=_SCOPES),
    RuleDefault("identity:ec2_delete_credential", _EC2_CHANGED_BY, scope_types=_SCOPES),
    RuleDefault("identity:ec2tokens_validate", "rule:service_or_admin", scope_types=_ANY),
    RuleDefault("identity:s3tokens_validate", "rule:service_or_admin", scope_types=_ANY),
)
