"""Key pairs are their user's own; administrators reach every user's."""

from __future__ import annotations

from cumulet.compute.policies.base import rule
from cumulet.kernel.policy import Rule

_OWN = "rule:context_is_admin or user_id:%(user_id)s"
RULES: tuple[Rule, ...] = tuple(rule(f"os-keypairs:{verb}", _OWN) for verb in ("index", "create", "delete", "show"))
