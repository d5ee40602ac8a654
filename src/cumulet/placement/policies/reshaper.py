"""Who may reshape: services, about their own providers."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.placement.policies.base import SERVICE, rule

RULES: tuple[Rule, ...] = (rule("reshaper:reshape", "POST", "/reshaper", SERVICE),)
