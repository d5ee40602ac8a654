"""Who may see and change the aggregates of a provider."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

_PATH = "/resource_providers/{uuid}/aggregates"

RULES: tuple[Rule, ...] = (
    rule("resource_providers:aggregates:list", "GET", _PATH),
    rule("resource_providers:aggregates:update", "PUT", _PATH),
)
