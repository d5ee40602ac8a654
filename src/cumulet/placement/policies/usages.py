"""Who may see usages: readers those of their own project."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import PROJECT_READER, rule

RULES: tuple[Rule, ...] = (
    rule("resource_providers:usages", "GET", "/resource_providers/{uuid}/usages"),
    rule("usages", "GET", "/usages", PROJECT_READER),
)
