"""Who may see and change flavors."""

from __future__ import annotations

from cumulet.compute.policies.base import ADMIN, ANYBODY, READER, rule
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = (
    *(rule(f"os-flavor-manage:{verb}", ADMIN) for verb in ("create", "update", "delete")),
    rule("os-flavor-access", ADMIN),
    rule("os-flavor-access:add_tenant_access", ADMIN),
    rule("os-flavor-access:remove_tenant_access", ADMIN),
    *(rule(f"os-flavor-extra-specs:{verb}", ADMIN) for verb in ("create", "update", "delete")),
    rule("os-flavor-extra-specs:index", READER),
    rule("os-flavor-extra-specs:show", READER),
    rule("os-flavors:show", ANYBODY),
)
