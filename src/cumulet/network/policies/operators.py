"""What is an operator's: agents, their schedules, metering, address counts; and RBAC policies, address groups."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, ANYBODY, crud

_ADMINS = (
    "get_dhcp-networks",
    "create_dhcp-network",
    "delete_dhcp-network",
    "get_dhcp-agents",
    "get_l3-routers",
    "create_l3-router",
    "delete_l3-router",
    "get_l3-agents",
    "get_network_ip_availabilities",
    "get_network_ip_availability",
)
RULES: tuple[Rule, ...] = (
    *crud("agent", read=ADMIN, write=ADMIN),
    *crud("metering_label", read=ADMIN, write=ADMIN),
    *crud("metering_label_rule", read=ADMIN, write=ADMIN),
    *crud("rbac_policy", read=ANYBODY),
    *crud("address_group", read=ANYBODY),
    *(RuleDefault(name, ADMIN, scope_types=["project"]) for name in _ADMINS),
)
