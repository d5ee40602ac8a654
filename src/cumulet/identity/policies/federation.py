"""Who may look for identity providers, mappings and service providers, of which there are none."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.identity.policies.base import READER_OR_ADMIN
from cumulet.kernel.policy import Rule

RULES: tuple[Rule, ...] = tuple(
    RuleDefault(f"identity:{verb}", READER_OR_ADMIN, scope_types=["system", "project"])
    for verb in (
        "list_identity_providers",
        "get_identity_provider",
        "list_mappings",
        "get_mapping",
        "list_service_providers",
        "get_service_provider",
    )
)
