"""Quotas: a project reads its own, administrators change them."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, READER

RULES: tuple[Rule, ...] = (
    RuleDefault("get_quota", READER, scope_types=["project"]),
    RuleDefault("update_quota", ADMIN, scope_types=["project"]),
    RuleDefault("delete_quota", ADMIN, scope_types=["project"]),
)
