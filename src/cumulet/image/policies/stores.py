"""Who may see the details of stores."""

from __future__ import annotations

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (rule("stores_info_detail", base.ADMIN_OR_SERVICE),)
