"""Who may see and change security groups and their rules."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ANYBODY, crud

RULES: tuple[Rule, ...] = (
    *crud("security_group", read=ANYBODY),
    *crud("security_group_rule", read=ANYBODY),
)
