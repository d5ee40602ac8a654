"""Who may see and change traits, and those of a provider."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

_OF_PROVIDER = "/resource_providers/{uuid}/traits"

RULES: tuple[Rule, ...] = (
    rule("traits:list", "GET", "/traits"),
    rule("traits:show", "GET", "/traits/{name}"),
    rule("traits:update", "PUT", "/traits/{name}"),
    rule("traits:delete", "DELETE", "/traits/{name}"),
    rule("resource_providers:traits:list", "GET", _OF_PROVIDER),
    rule("resource_providers:traits:update", "PUT", _OF_PROVIDER),
    rule("resource_providers:traits:delete", "DELETE", _OF_PROVIDER),
)
