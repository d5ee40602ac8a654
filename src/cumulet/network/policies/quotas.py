"""Quotas: a project's managers read its own, administrators change them."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, MANAGER, rule

RULES: tuple[Rule, ...] = (
    rule("get_quota", MANAGER),
    rule("update_quota", ADMIN),
    rule("delete_quota", ADMIN),
)
