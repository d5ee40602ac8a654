"""Who can reach a server from outside, and what keeps others away: the network's part of `cumulet explain`."""

from __future__ import annotations

from typing import Any, Protocol

_SSH = 22
# What the API takes for these protocols; None and `any` are every one.
_TCP, _ICMP, _ANY = ("tcp", "6"), ("icmp", "1"), (None, "any", "0")


class Network(Protocol):
    """`show("network", path, **query)` gives what the document is about."""

    def show(self, service: str, path: str, **query: str) -> Any: ...


def lines(admin: Network, server: dict[str, Any]) -> list[str]:
    """A line for each port, and below it what keeps it from being reached, with the command that changes it."""
    told = []
    for port in admin.show("network", "/v2.0/ports", device_id=server["id"]):
        told += _port(admin, server, port)
    return told or ["It is on no network."]


def _port(admin: Network, server: dict[str, Any], port: dict[str, Any]) -> list[str]:
    network = admin.show("network", f"/v2.0/networks/{port['network_id']}")
    fixed = [one["ip_address"] for one in port["fixed_ips"]]
    floating = [one["floating_ip_address"] for one in admin.show("network", "/v2.0/floatingips", port_id=port["id"])]
    first = f"On network {network['name'] or network['id']}: {', '.join(fixed) or 'no address'}"
    told = [first + (f", from outside {', '.join(floating)}." if floating else ".")]
    if not (port["admin_state_up"] and network["admin_state_up"]):
        told.append("    ! switched off (openstack port set --enable, openstack network set --enable)")
    elif port["status"] == "DOWN" and server["status"] == "ACTIVE":
        told.append("    ! its port is down: openstack network agent list tells whether its host's agent is alive")
    if not floating and not network["router:external"]:
        told.append(_way_in(admin, server, port))
    return told + _let_in(admin, port)


def _way_in(admin: Network, server: dict[str, Any], port: dict[str, Any]) -> str:
    """What is missing for a floating IP: a router that leads out, or only the address."""
    inside = admin.show("network", "/v2.0/ports", network_id=port["network_id"])
    routers = {one["device_id"] for one in inside if one["device_owner"].startswith("network:router_interface")}
    for router_id in sorted(routers):
        gateway = admin.show("network", f"/v2.0/routers/{router_id}")["external_gateway_info"]
        if gateway:
            outside = admin.show("network", f"/v2.0/networks/{gateway['network_id']}")["name"]
            return (
                f"    ! not to be reached from outside: no floating IP (openstack floating ip create {outside}; "
                f"openstack server add floating ip {server['name']} ADDRESS)"
            )
    if routers:
        return "    ! its router leads nowhere (openstack router set --external-gateway NETWORK ROUTER)"
    return "    ! behind no router: only its own network's servers reach it (openstack router add subnet ROUTER SUBNET)"


def _let_in(admin: Network, port: dict[str, Any]) -> list[str]:
    """What the security groups keep out of the two things that are tried first."""
    if not port["port_security_enabled"]:
        return ["    everything is let in: the port has no port security"]
    groups = [admin.show("network", f"/v2.0/security-groups/{group_id}") for group_id in port["security_groups"]]
    if not groups:
        return ["    ! nothing is let in: the port has no security group"]
    rules = [rule for group in groups for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    names = ", ".join(group["name"] for group in groups)
    told = []
    for what, protocols, options in (
        ("ssh", _TCP, f"--protocol tcp --dst-port {_SSH}"),
        ("ping", _ICMP, "--protocol icmp"),
    ):
        sources = {_source(admin, rule) for rule in rules if _about(rule, protocols)}
        command = f"openstack security group rule create {options} {groups[0]['id']}"
        if "anywhere" in sources:
            told.append(f"    {what} is let in from anywhere")
        elif sources:
            only = ", ".join(sorted(sources))
            told.append(f"    ! {what} is let in only from {only}, by security group {names} ({command})")
        else:
            told.append(f"    ! {what} is not let in: no rule of security group {names} does ({command})")
    return told


def _about(rule: dict[str, Any], protocols: tuple[str, ...]) -> bool:
    """Whether a rule for what comes in over IPv4 allows this protocol; for TCP, its port of SSH."""
    if rule["ethertype"] != "IPv4":
        return False
    if rule["protocol"] in _ANY:
        return True
    if rule["protocol"] not in protocols:
        return False
    low, high = rule["port_range_min"], rule["port_range_max"]
    return protocols is _ICMP or low is None or low <= _SSH <= high


def _source(admin: Network, rule: dict[str, Any]) -> str:
    if rule["remote_group_id"]:
        group = admin.show("network", f"/v2.0/security-groups/{rule['remote_group_id']}")
        return f"servers of security group {group['name']}"
    prefix = rule["remote_ip_prefix"]
    return "anywhere" if prefix in (None, "0.0.0.0/0") else str(prefix)
