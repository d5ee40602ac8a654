"""Who may see and change QoS policies and their rules: a project's managers."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN, MANAGER, PARENT_MANAGER, SEES, crud, rule

_KINDS = ("bandwidth_limit", "packet_rate_limit", "dscp_marking", "minimum_bandwidth", "minimum_packet_rate")


def _of_kind(kind: str) -> tuple[Rule, ...]:
    below, alias = f"policy_{kind}_rule", f"alias_{kind}_rule"
    return (
        *crud(below, read=SEES, write=PARENT_MANAGER),
        rule(f"get_{alias}", f"rule:get_{below}"),
        rule(f"update_{alias}", f"rule:update_{below}"),
        rule(f"delete_{alias}", f"rule:delete_{below}"),
    )


RULES: tuple[Rule, ...] = (
    *crud("policy", read=SEES, write=MANAGER),
    rule("create_policy:shared", ADMIN),
    rule("update_policy:shared", ADMIN),
    rule("get_rule_type", SEES),
    *(one for kind in _KINDS for one in _of_kind(kind)),
)
