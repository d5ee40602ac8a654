"""Who may see and change subnets and subnet pools."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, ADMIN_OR_SERVICE, MEMBER, NETWORK_OWNER, SEES, crud, rule

_OWNERS = f"{ADMIN} or {NETWORK_OWNER}"
_EITHERS = f"{MEMBER} or {NETWORK_OWNER}"
RULES: tuple[Rule, ...] = (
    rule("get_subnet", SEES),
    rule("create_subnet", _OWNERS),
    rule("update_subnet", _EITHERS),
    rule("delete_subnet", _EITHERS),
    *(
        rule(f"{verb}_subnet:{name}", ADMIN)
        for verb in ("create", "update")
        for name in ("segment_id", "service_types")
    ),
    rule("get_subnet:segment_id", ADMIN_OR_SERVICE),
    *crud("subnetpool", read=SEES, guarded=("shared", "is_default")),
    rule("add_prefixes", MEMBER),
    rule("remove_prefixes", MEMBER),
    rule("onboard_network_subnets", MEMBER),
)
