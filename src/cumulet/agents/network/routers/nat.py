"""A router's nftables table: floating IPs, port forwarding, source NAT, limits and metering.

Every floating IP and forwarding is an element of a map, so a packet's cost does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable

from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.model import Chain, Hook, Key, NftSet, Rule, SetSpec, Table, Value, set_of
from cumulet.agents.network.planning.plans import MeteringPlan, RouterGateway, RouterPlan
from cumulet.agents.network.qos.limits import limit_object
from cumulet.agents.network.state import MeteringRule, PortForwarding, ip_address, ip_network

METADATA = "169.254.169.254"

_MANGLE, _DNAT, _FILTER, _SNAT = -150, -100, 0, 100
_FROM_OUTSIDE = 1  # the mark of packets that came in through the gateway
_FORWARDING = ("ipv4_addr", "inet_proto", "inet_service")


def build(name: str, plan: RouterPlan) -> Table:
    floating = {f.floating_ip_address: f.fixed_ip_address for f in plan.floating_ips}
    fixed = {f.fixed_ip_address: f.floating_ip_address for f in plan.floating_ips}
    addresses: dict[Key, Value] = {}
    ports: dict[Key, Value] = {}
    for forwarding in plan.port_forwardings:
        for outer, inner in _pairs(forwarding):
            key = (forwarding.floating_ip_address, forwarding.protocol, outer)
            addresses[key] = forwarding.internal_ip_address
            ports[key] = inner
    sets = {
        "floating": NftSet(SetSpec("ipv4_addr", "ipv4_addr"), dict(floating.items())),
        "fixed": NftSet(SetSpec("ipv4_addr", "ipv4_addr"), dict(fixed.items())),
        "forwarded_address": NftSet(SetSpec(_FORWARDING, "ipv4_addr"), addresses),
        "forwarded_port": NftSet(SetSpec(_FORWARDING, "inet_service"), ports),
        "inside": set_of(SetSpec("ifname"), [device.name for device in plan.interfaces]),
    }
    objects: dict[tuple[str, str], dict[str, object]] = {
        ("counter", _counter(meter)): {"packets": 0, "bytes": 0} for meter in plan.metering
    }
    chains = {
        "mangle": Chain(_mark(plan.gateway), Hook("filter", "prerouting", _MANGLE)),
        "prerouting": Chain(_destination_nat(), Hook("nat", "prerouting", _DNAT)),
        "postrouting": Chain(_source_nat(plan.gateway), Hook("nat", "postrouting", _SNAT)),
        "input": Chain(_input(plan.gateway), Hook("filter", "input", _FILTER)),
        "output": Chain(_output(plan), Hook("filter", "output", _FILTER)),
    }
    forward: list[Rule] = []
    if plan.gateway is not None:
        limited, limits, maps = _limits(plan, plan.gateway)
        sets |= maps
        objects |= limits
        for meter in plan.metering:
            chains[f"meter_{meter.label_id}"] = Chain(list(_metering(meter, plan.gateway)))
            forward.append([e.jump(f"meter_{meter.label_id}")])
        forward += limited
    chains["forward"] = Chain(forward, Hook("filter", "forward", _FILTER))
    return Table("inet", name, sets, chains, objects)


def label_of(counter: str) -> str:
    return counter.removeprefix("label_")


def _counter(meter: MeteringPlan) -> str:
    return f"label_{meter.label_id}"


def _pairs(forwarding: PortForwarding) -> Iterable[tuple[int, int]]:
    """(external, internal) port pairs: a range to as many ports, or all of it to one."""
    last = forwarding.external_port if forwarding.external_port_end is None else forwarding.external_port_end
    end = forwarding.internal_port if forwarding.internal_port_end is None else forwarding.internal_port_end
    several = end > forwarding.internal_port
    if several and end - forwarding.internal_port != last - forwarding.external_port:
        raise ValueError(f"port forwarding {forwarding.id} has ranges of different lengths")
    for offset, outer in enumerate(range(forwarding.external_port, last + 1)):
        yield outer, forwarding.internal_port + (offset if several else 0)


def _mark(gateway: RouterGateway | None) -> list[Rule]:
    mark = e.meta("mark")
    if gateway is None:
        return [[e.assign(mark, 0)]]
    return [[e.assign(mark, 0)], [e.match(e.meta("iifname"), gateway.device.name), e.assign(mark, _FROM_OUTSIDE)]]


def _destination_nat() -> list[Rule]:
    daddr = e.field("ip", "daddr")
    key = e.concat(daddr, e.meta("l4proto"), e.field("th", "dport"))
    forwarded = {"family": "ip", "addr": e.mapped(key, "forwarded_address"), "port": e.mapped(key, "forwarded_port")}
    return [[{"dnat": forwarded}], [{"dnat": {"family": "ip", "addr": e.mapped(daddr, "floating")}}]]


def _source_nat(gateway: RouterGateway | None) -> list[Rule]:
    if gateway is None:
        return []
    saddr = e.field("ip", "saddr")
    from_outside = e.match(e.meta("mark"), _FROM_OUTSIDE)
    redirected = e.match(e.ct("status"), "dnat", "in")
    leaving = e.match(e.meta("oifname"), gateway.device.name)
    as_floating = {"snat": {"family": "ip", "addr": e.mapped(saddr, "fixed")}}
    rules: list[Rule] = [
        # A guest sees who really called its floating IP.
        [from_outside, redirected, e.ACCEPT],
        # Inside to inside by way of a floating IP: the answer must come back through here.
        [redirected, as_floating],
        [leaving, as_floating],
    ]
    own = _own_ipv4(gateway)
    if own is not None and gateway.enable_snat:
        translation = {"snat": {"family": "ip", "addr": own, "flags": "fully-random"}}
        version = e.match(e.meta("nfproto"), "ipv4")
        rules += [[version, redirected, translation], [version, leaving, translation]]
    return rules


def _own_ipv4(gateway: RouterGateway) -> str | None:
    return next((cidr.split("/")[0] for cidr in gateway.device.addresses if ":" not in cidr), None)


def _input(gateway: RouterGateway | None) -> list[Rule]:
    """The metadata listener is for the networks inside; nobody outside may claim to be one of their servers."""
    if gateway is None:
        return []
    outside = e.match(e.meta("iifname"), gateway.device.name)
    return [[outside, e.match(e.field("ip", "daddr"), METADATA), e.DROP]]


def _output(plan: RouterPlan) -> list[Rule]:
    """A standby router must not be heard under the MAC it shares with the active one."""
    if plan.ha is None:
        return []
    shared = [device.name for device in plan.interfaces]
    shared += [plan.gateway.device.name] if plan.gateway else []
    reports = e.among(131, 132, 143)
    return [[e.match(e.meta("oifname"), name), e.match(e.field("icmpv6", "type"), reports), e.DROP] for name in shared]


def _limits(
    plan: RouterPlan, gateway: RouterGateway
) -> tuple[list[Rule], dict[tuple[str, str], dict[str, object]], dict[str, NftSet]]:
    """Floating IPs' bandwidth by their fixed address (translated already or not yet), the gateway's for the others."""
    objects: dict[tuple[str, str], dict[str, object]] = {}
    elements: dict[str, dict[Key, Value]] = {"limits_in": {}, "limits_out": {}}
    for floating in plan.floating_ips:
        qos = floating.qos
        if qos is None:
            continue
        for table, kbps, burst in (
            ("limits_in", qos.ingress_kbps, qos.ingress_burst_kbits),
            ("limits_out", qos.egress_kbps, qos.egress_burst_kbits),
        ):
            if kbps:
                name, attributes = limit_object(f"{table}_{floating.id}", kbps=kbps, burst_kbits=burst)
                objects["limit", name] = attributes
                elements[table][floating.fixed_ip_address] = name
    spec = SetSpec("ipv4_addr", "limit")
    sets = {name: NftSet(spec, found) for name, found in elements.items()}
    coming = e.match(e.meta("iifname"), gateway.device.name)
    leaving = e.match(e.meta("oifname"), gateway.device.name)
    saddr, daddr = e.field("ip", "saddr"), e.field("ip", "daddr")
    rules: list[Rule] = [
        [coming, {"limit": e.mapped(daddr, "limits_in")}, e.DROP],
        [leaving, {"limit": e.mapped(saddr, "limits_out")}, e.DROP],
    ]
    if gateway.qos is not None:
        for way, address, kbps, burst in (
            (coming, daddr, gateway.qos.ingress_kbps, gateway.qos.ingress_burst_kbits),
            (leaving, saddr, gateway.qos.egress_kbps, gateway.qos.egress_burst_kbits),
        ):
            if kbps:
                name, attributes = limit_object(
                    f"gateway_{'in' if way is coming else 'out'}", kbps=kbps, burst_kbits=burst
                )
                objects["limit", name] = attributes
                others = e.match(address, e.among(*sorted(f.fixed_ip_address for f in plan.floating_ips)), "!=")
                rules.append([way, *([others] if plan.floating_ips else []), {"limit": name}, e.DROP])
    return rules, objects, sets


def _metering(meter: MeteringPlan, gateway: RouterGateway) -> Iterable[Rule]:
    """Excluded prefixes leave before anything is counted; a packet counts once for a label."""
    for rule in sorted(meter.rules, key=lambda r: not r.excluded):
        matches = _metered(rule, gateway)
        yield [*matches, e.RETURN] if rule.excluded else [*matches, e.counter(_counter(meter)), e.RETURN]


def _metered(rule: MeteringRule, gateway: RouterGateway) -> Rule:
    ingress = rule.direction == "ingress"
    matches: Rule = [e.match(e.meta("iifname" if ingress else "oifname"), gateway.device.name)]
    prefixes = [("saddr" if ingress else "daddr", rule.remote_ip_prefix)]
    prefixes += [("saddr", rule.source_ip_prefix), ("daddr", rule.destination_ip_prefix)]
    for side, prefix in prefixes:
        if prefix is None:
            continue
        network = ip_network(prefix)
        ip = "ip" if network.version == 4 else "ip6"
        if network.prefixlen == 0:
            matches.append(e.match(e.meta("nfproto"), f"ipv{network.version}"))
        else:
            address = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
            single = str(ip_address(str(network.network_address)))
            matches.append(e.match(e.field(ip, side), single if network.num_addresses == 1 else address))
    return matches
