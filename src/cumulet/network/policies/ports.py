"""Who may see and change ports: some attributes are the network owner's to give, the binding an administrator's."""

from __future__ import annotations

from oslo_policy.policy import RuleDefault

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import ADMIN_OR_SERVICE, ANYBODY, MEMBER, crud

_NETWORK_OWNER = "rule:admin_only or rule:service_api or (role:member and tenant_id:%(network:tenant_id)s)"
_OWNERS = ("mac_address", "allowed_address_pairs", "port_security_enabled")
_BINDING = ("binding:host_id", "binding:profile")
_SHOWN = ("binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile", "resource_request")
_WRITE = f"{MEMBER} or rule:service_api"


def _guarded() -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for verb in ("create", "update"):
        rules += [RuleDefault(f"{verb}_port:{name}", _NETWORK_OWNER, scope_types=["project"]) for name in _OWNERS]
        rules += [RuleDefault(f"{verb}_port:{name}", ADMIN_OR_SERVICE, scope_types=["project"]) for name in _BINDING]
        rules.append(RuleDefault(f"{verb}_port:fixed_ips", _WRITE, scope_types=["project"]))
        rules.append(RuleDefault(f"{verb}_port:fixed_ips:ip_address", _NETWORK_OWNER, scope_types=["project"]))
    return tuple(rules)


RULES: tuple[Rule, ...] = (
    *crud("port", read=ANYBODY, write=_WRITE),
    *_guarded(),
    *(RuleDefault(f"get_port:{name}", ADMIN_OR_SERVICE, scope_types=["project"]) for name in _SHOWN),
)
