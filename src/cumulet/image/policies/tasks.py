"""Who may use the tasks API. The other names are only kept so that a policy.yaml that has them is accepted."""

from __future__ import annotations

from cumulet.image.policies import base
from cumulet.image.policies.base import rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    rule("get_task", base.ANYBODY),
    rule("get_tasks", base.ANYBODY),
    rule("add_task", base.ANYBODY),
    rule("modify_task", base.ANYBODY),
    rule("tasks_api_access", base.ADMIN),
)
