"""Who may see and change resource providers."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

RULES: tuple[Rule, ...] = (
    rule("resource_providers:list", "GET", "/resource_providers"),
    rule("resource_providers:create", "POST", "/resource_providers"),
    rule("resource_providers:show", "GET", "/resource_providers/{uuid}"),
    rule("resource_providers:update", "PUT", "/resource_providers/{uuid}"),
    rule("resource_providers:delete", "DELETE", "/resource_providers/{uuid}"),
)
