"""Who may search for allocation candidates."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import rule

RULES: tuple[Rule, ...] = (rule("allocation_candidates:list", "GET", "/allocation_candidates"),)
