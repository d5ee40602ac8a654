"""Who may see and change resource classes."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

RULES: tuple[Rule, ...] = (
    rule("resource_classes:list", "GET", "/resource_classes"),
    rule("resource_classes:create", "POST", "/resource_classes"),
    rule("resource_classes:show", "GET", "/resource_classes/{name}"),
    rule("resource_classes:update", "PUT", "/resource_classes/{name}"),
    rule("resource_classes:delete", "DELETE", "/resource_classes/{name}"),
)
