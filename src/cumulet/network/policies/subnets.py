"""Who may see and change subnets and subnet pools."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ANYBODY, MEMBER, crud

RULES: tuple[Rule, ...] = (
    *crud("subnet", read=ANYBODY, guarded=("segment_id", "service_types")),
    *crud("subnetpool", read=ANYBODY, guarded=("shared", "is_default")),
    RuleDefault("add_prefixes", MEMBER, scope_types=["project"]),
    RuleDefault("remove_prefixes", MEMBER, scope_types=["project"]),
    RuleDefault("onboard_network_subnets", MEMBER, scope_types=["project"]),
)
