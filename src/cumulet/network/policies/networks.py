"""Who may see and change networks."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN_OR_SERVICE, ANYBODY, crud

_PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments")
RULES: tuple[Rule, ...] = (
    *crud("network", read=ANYBODY, guarded=("shared", "router:external", "is_default", *_PROVIDER)),
    *(RuleDefault(f"get_network:{name}", ADMIN_OR_SERVICE, scope_types=["project"]) for name in _PROVIDER),
)
