"""What is an operator's: agents, their schedules, metering, address counts; and RBAC policies, address groups."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import (
    ADMIN,
    ADMIN_OR_SERVICE,
    MANAGER,
    MEMBER,
    READER,
    SEES,
    crud,
    rule,
)

_ADMINS = (
    "get_dhcp-networks",
    "create_dhcp-network",
    "delete_dhcp-network",
    "get_dhcp-agents",
    "get_l3-routers",
    "create_l3-router",
    "delete_l3-router",
    "get_l3-agents",
)
RULES: tuple[Rule, ...] = (
    *crud("agent", read=ADMIN, write=ADMIN),
    *crud("metering_label", write=MANAGER),
    *crud("metering_label_rule", write=MANAGER),
    *crud("rbac_policy", read=SEES),
    *crud("address_group", read=SEES),
    rule("add_addresses", MEMBER),
    rule("remove_addresses", MEMBER),
    *(rule(name, ADMIN) for name in _ADMINS),
    rule("get_network_ip_availability", ADMIN_OR_SERVICE),
    rule("get_availability_zone", SEES),
    rule("get_service_provider", SEES),
    rule("get_floatingip_pool", SEES),
    rule("get_auto_allocated_topology", READER),
    rule("delete_auto_allocated_topology", MEMBER),
    *crud("flavor", read=SEES, write=ADMIN),
    *crud("service_profile", read=ADMIN, write=ADMIN),
    rule("get_flavor_service_profile", ADMIN),
    rule("create_flavor_service_profile", ADMIN),
    rule("delete_flavor_service_profile", ADMIN),
)
