"""The rules of a QoS policy as limits that a host sets on a device."""

from __future__ import annotations

from typing import Any, Final

from cumulet.network.domain.wanted.host import Host

_LIMITS: Final = {
    "bandwidth_limit": (("max_kbps", "kbps"), ("max_burst_kbps", "burst_kbits")),
    "packet_rate_limit": (("max_kpps", "kpps"),),
}
"""rule type -> (what the rule calls it, what comes after the direction in the limit's name)"""


def limits_of(host: Host, policy_id: str | None) -> dict[str, Any] | None:
    """The limits of a policy; None without one, or when it sets none."""
    found: dict[str, Any] = {}
    for rule in host.policies.get(policy_id or "", []):
        for parameter, name in _LIMITS.get(rule["type"], ()):
            found[f"{rule['direction']}_{name}"] = rule[parameter] or 0
        if rule["type"] == "dscp_marking":
            found["dscp_mark"] = rule["dscp_mark"]
    return found or None
