"""Who may see and change inventories."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

_PATH = "/resource_providers/{uuid}/inventories"

RULES: tuple[Rule, ...] = (
    rule("resource_providers:inventories:list", "GET", _PATH),
    rule("resource_providers:inventories:create", "POST", _PATH),
    rule("resource_providers:inventories:show", "GET", f"{_PATH}/{{resource_class}}"),
    rule("resource_providers:inventories:update", "PUT", _PATH),
    rule("resource_providers:inventories:delete", "DELETE", _PATH),
)
