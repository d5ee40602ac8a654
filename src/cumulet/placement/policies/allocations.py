"""Who may see and change allocations."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

_OF_CONSUMER = "/allocations/{consumer_uuid}"

RULES: tuple[Rule, ...] = (
    rule("allocations:manage", "POST", "/allocations"),
    rule("allocations:list", "GET", _OF_CONSUMER),
    rule("allocations:update", "PUT", _OF_CONSUMER),
    rule("allocations:delete", "DELETE", _OF_CONSUMER),
    rule("resource_providers:allocations:list", "GET", "/resource_providers/{uuid}/allocations"),
)
