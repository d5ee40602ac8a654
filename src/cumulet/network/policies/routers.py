"""Who may see and change routers and floating IPs."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, MEMBER, crud

_ACTIONS = ("add_router_interface", "remove_router_interface", "add_extraroutes", "remove_extraroutes")
_GATEWAY = "update_router:external_gateway_info"
RULES: tuple[Rule, ...] = (
    *crud("router", guarded=("distributed", "ha")),
    *(RuleDefault(f"get_router:{name}", ADMIN, scope_types=["project"]) for name in ("distributed", "ha")),
    RuleDefault("create_router:external_gateway_info", MEMBER, scope_types=["project"]),
    RuleDefault(_GATEWAY, MEMBER, scope_types=["project"]),
    RuleDefault(f"{_GATEWAY}:enable_snat", ADMIN, scope_types=["project"]),
    RuleDefault(f"{_GATEWAY}:external_fixed_ips", ADMIN, scope_types=["project"]),
    *(RuleDefault(name, MEMBER, scope_types=["project"]) for name in _ACTIONS),
    *crud("floatingip", guarded=("floating_ip_address",)),
)
