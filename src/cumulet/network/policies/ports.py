"""Who may see and change ports, bindings and trunks: some attributes are the network owner's to give, the binding a
service's."""

from __future__ import annotations

from cumulet.kernel.policy import Rule
from cumulet.network.policies.base import (
    ADMIN_OR_SERVICE,
    MEMBER,
    NETWORK_OWNER,
    READER,
    SEES,
    SERVICE,
    crud,
    rule,
)

_OWNERS = f"{ADMIN_OR_SERVICE} or {NETWORK_OWNER}"
_SHARERS = f"{_OWNERS} or (role:member and rule:shared)"
_MEMBERS = f"{MEMBER} or {SERVICE}"
_SHOWN = ("binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile")
_DELETE = (
    f"{ADMIN_OR_SERVICE} or (service_roles:service and ({NETWORK_OWNER} or (role:member and rule:owner))) or "
    f"(not rule:compute_device and not rule:baremetal_device and ({NETWORK_OWNER} or (role:member and rule:owner)))"
)


def _guarded(verb: str) -> tuple[Rule, ...]:
    changed_mac = _OWNERS if verb == "create" else f"{ADMIN_OR_SERVICE} or (role:manager and rule:network_owner)"
    return (
        rule(f"{verb}_port:device_owner", f"not rule:network_device or {ADMIN_OR_SERVICE}"),
        rule(f"{verb}_port:mac_address", changed_mac),
        rule(f"{verb}_port:fixed_ips", _SHARERS if verb == "create" else _OWNERS),
        rule(f"{verb}_port:fixed_ips:subnet_id", _SHARERS),
        rule(f"{verb}_port:fixed_ips:ip_address", _OWNERS),
        rule(f"{verb}_port:port_security_enabled", _OWNERS),
        rule(f"{verb}_port:allowed_address_pairs", _OWNERS),
        rule(f"{verb}_port:binding:host_id", ADMIN_OR_SERVICE),
        rule(f"{verb}_port:binding:profile", SERVICE),
    )


RULES: tuple[Rule, ...] = (
    rule("get_port", SEES),
    rule("create_port", _SHARERS),
    rule("update_port", _MEMBERS),
    rule("delete_port", _DELETE),
    *_guarded("create"),
    *_guarded("update"),
    *(rule(f"get_port:{name}", ADMIN_OR_SERVICE) for name in _SHOWN),
    rule("get_port:resource_request", ADMIN_OR_SERVICE),
    rule("get_port_binding", ADMIN_OR_SERVICE),
    rule("create_port_binding", SERVICE),
    rule("update_port_binding", SERVICE),
    rule("delete_port_binding", SERVICE),
    rule("activate", SERVICE),
    *crud("trunk"),
    rule("get_subports", READER),
    rule("add_subports", MEMBER),
    rule("remove_subports", MEMBER),
)
