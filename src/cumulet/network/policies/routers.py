"""Who may see and change routers, floating IPs and what hangs on them."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, MANAGER, MEMBER, PARENT_MEMBER, PARENT_READER, crud, rule

_ACTIONS = ("add_router_interface", "remove_router_interface", "add_extraroutes", "remove_extraroutes")


def _gateway(verb: str) -> tuple[Rule, ...]:
    whole = f"{verb}_router:external_gateway_info"
    return (
        rule(whole, MEMBER),
        rule(f"{whole}:network_id", MEMBER),
        rule(f"{whole}:enable_snat", ADMIN),
        rule(f"{whole}:external_fixed_ips", ADMIN),
    )


RULES: tuple[Rule, ...] = (
    *crud("router", guarded=("distributed", "ha")),
    *(rule(f"get_router:{name}", ADMIN) for name in ("distributed", "ha")),
    *_gateway("create"),
    *_gateway("update"),
    *(rule(name, MEMBER) for name in _ACTIONS),
    *crud("floatingip"),
    rule("create_floatingip:floating_ip_address", MANAGER),
    *crud("floatingip_port_forwarding", read=PARENT_READER, write=PARENT_MEMBER),
    *crud("router_conntrack_helper", read=PARENT_READER, write=PARENT_MEMBER),
)
