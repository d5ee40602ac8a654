"""The rules that others are made of, under the original's names, so that an operator's policy.yaml means the same.

What of a list a caller sees is narrowed by the list's own condition (`domain.source`); the `get_` rules here say which
role it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from oslo_policy import policy
from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule


@policy.register("field")
class FieldCheck(policy.Check):
    """`field:networks:shared=True`: what the resource's attribute is; `=~` matches a regular expression."""

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        _, _, rest = match.partition(":")
        self._field, _, value = rest.rpartition("=")
        self._pattern = re.compile(value[1:]) if value.startswith("~") else None
        self._value = value

    def __call__(self, target: Mapping[str, Any], creds: Mapping[str, Any], enforcer: Any, current: Any = None) -> bool:
        found = target.get(self._field)
        if found is None:
            return False
        return bool(self._pattern.match(str(found))) if self._pattern is not None else str(found) == self._value


ADMIN = "rule:admin_only"
SERVICE = "rule:service_api"
ADMIN_OR_SERVICE = f"{ADMIN} or {SERVICE}"
ANYBODY = ""
MANAGER = f"{ADMIN} or (role:manager and project_id:%(project_id)s)"
MEMBER = f"{ADMIN} or (role:member and project_id:%(project_id)s)"
READER = f"{ADMIN} or (role:reader and project_id:%(project_id)s)"
SEES = f"{ADMIN_OR_SERVICE} or role:reader"
"""For what may be shared with the caller: whose it is, is decided by what is visible."""
NETWORK_OWNER = "(role:member and rule:network_owner)"
PARENT_MANAGER = f"{ADMIN} or (role:manager and rule:ext_parent_owner)"
PARENT_MEMBER = f"{ADMIN} or (role:member and rule:ext_parent_owner)"
PARENT_READER = f"{ADMIN} or (role:reader and rule:ext_parent_owner)"

RULES: tuple[Rule, ...] = (
    RuleDefault("context_is_admin", "role:admin"),
    RuleDefault("context_is_advsvc", "role:advsvc"),
    RuleDefault("service_api", "role:service"),
    RuleDefault("owner", "project_id:%(project_id)s"),
    RuleDefault("admin_or_owner", "rule:context_is_admin or rule:owner"),
    RuleDefault("network_owner", "project_id:%(network:project_id)s"),
    RuleDefault("admin_or_network_owner", "rule:context_is_admin or project_id:%(network:project_id)s"),
    RuleDefault("admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner"),
    RuleDefault("ext_parent_owner", "project_id:%(ext_parent:project_id)s"),
    RuleDefault("admin_or_ext_parent_owner", "rule:context_is_admin or project_id:%(ext_parent:project_id)s"),
    RuleDefault("sg_owner", "project_id:%(security_group:project_id)s"),
    RuleDefault("admin_or_sg_owner", "rule:context_is_admin or project_id:%(security_group:project_id)s"),
    RuleDefault("admin_owner_or_sg_owner", "rule:owner or rule:admin_or_sg_owner"),
    RuleDefault("admin_only", "rule:context_is_admin"),
    RuleDefault("regular_user", ""),
    RuleDefault("shared", "field:networks:shared=True"),
    RuleDefault("external", "field:networks:router:external=True"),
    RuleDefault("network_device", "field:port:device_owner=~^network:"),
    RuleDefault("compute_device", "field:port:device_owner=~^compute:"),
    RuleDefault("baremetal_device", "field:port:device_owner=~^baremetal:"),
    RuleDefault("default", "rule:admin_or_owner"),
)


def rule(name: str, check: str) -> Rule:
    return RuleDefault(name, check, scope_types=["project"])


def crud(noun: str, *, read: str = READER, write: str = MEMBER, guarded: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """`get_`, `create_`, `update_`, `delete_<noun>`, and administrators' rules for the guarded attributes."""
    rules = [rule(f"get_{noun}", read), *(rule(f"{verb}_{noun}", write) for verb in ("create", "update", "delete"))]
    for attribute in guarded:
        rules += [rule(f"{verb}_{noun}:{attribute}", ADMIN) for verb in ("create", "update")]
    return tuple(rules)
