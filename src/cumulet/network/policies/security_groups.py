"""Who may see and change security groups and their rules."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, SEES, crud

RULES: tuple[Rule, ...] = (
    *crud("security_group", read=SEES),
    *crud("security_group_rule", read=SEES, write=f"{ADMIN} or (role:member and rule:sg_owner)"),
    *crud("default_security_group_rule", read=SEES, write=ADMIN),
)
