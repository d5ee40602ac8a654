"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same.

Targets are images as attributes: `project_id` and `owner` (the owning project), `visibility`, `member_id` (the caller's
project when the image is shared with it), and every other attribute and property by its name.
"""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule

PROJECT_SCOPE = ["project"]

_OWNING = "project_id:%(project_id)s"
_SHARED_WITH = "project_id:%(member_id)s"
_PUBLIC = "'public':%(visibility)s"
_SEEN = f"({_OWNING} or {_SHARED_WITH} or 'community':%(visibility)s or {_PUBLIC} or 'shared':%(visibility)s)"

ANYBODY = "rule:default"
ADMIN = "rule:context_is_admin"
SERVICE = "rule:service_api"
ADMIN_OR_SERVICE = f"{ADMIN} or {SERVICE}"
ADMIN_OR_MEMBER = f"{ADMIN} or (role:member and {_OWNING})"
ADMIN_OR_READER = f"{ADMIN} or (role:reader and {_OWNING})"
ADMIN_OR_CREATOR = f"{ADMIN} or (role:member and {_OWNING} and project_id:%(owner)s)"
ADMIN_OR_SEEING_READER = f"{ADMIN} or (role:reader and {_SEEN})"
ADMIN_OR_SEEING_MEMBER = f"{ADMIN} or (role:member and {_SEEN})"
ADMIN_OR_SHARING_MEMBER = f"{ADMIN} or (role:member and {_SHARED_WITH})"
ADMIN_OR_READER_OR_SHARING = f"{ADMIN} or role:reader and ({_OWNING} or {_SHARED_WITH})"
ADMIN_OR_NAMESPACE_READER = f"{ADMIN} or (role:reader and ({_OWNING} or {_PUBLIC}))"
SERVICE_OR_CREATOR = f"{SERVICE} or (role:member and {_OWNING} and project_id:%(owner)s)"

RULES: tuple[Rule, ...] = (
    RuleDefault("default", ""),
    RuleDefault("context_is_admin", "role:admin"),
    RuleDefault("service_api", "role:service or role:admin"),
)


def rule(name: str, check: str) -> Rule:
    return RuleDefault(name, check, scope_types=PROJECT_SCOPE)
