"""Groups compiled to sets mean exactly what their rules say, whatever the rules."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cumulet.agents.network.filter import groups
from cumulet.agents.network.filter.boxes import Box, TooMany, disjoint
from cumulet.agents.network.filter.conntrack import Connection, Side
from cumulet.agents.network.filter.flows import Judge, Owners, revoked
from cumulet.agents.network.filter.groups import Compiled, chain_name, compile_group, compile_members
from cumulet.agents.network.filter.tables import Compiler
from cumulet.agents.network.nft.model import NftSet, Range
from cumulet.agents.network.planning.plans import FilterPlan, PortFilter
from cumulet.agents.network.state import AddressSet, SecurityGroup, SecurityRule, ip_network
from tests.agents.network.cloud import EGRESS_ALL, new_id, rule

SET_A, SET_B = new_id(), new_id()
SETS = {
    SET_A: AddressSet(id=SET_A, addresses=frozenset({"10.0.0.1", "10.0.1.0/24", "fd00::1"})),
    SET_B: AddressSet(id=SET_B, addresses=frozenset({"10.0.0.2", "10.0.0.0/30", "fd00::/126"})),
}
ADDRESSES = {
    4: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.200", "10.0.1.5", "10.1.0.1", "192.0.2.1"],
    6: ["fd00::1", "fd00::2", "fd00::5", "fd00:1::1", "2001:db8::1"],
}
PREFIXES = {
    4: ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/31", "10.0.0.2/32", "10.0.1.0/24", "0.0.0.0/0", "192.0.2.1/32"],
    6: ["fd00::/64", "fd00::/127", "fd00::2/128", "::/0", "2001:db8::/32"],
}
PORTS = [0, 1, 21, 22, 23, 80, 1000, 65535]


@st.composite
def networks(draw: st.DrawFn) -> Any:
    length = draw(st.integers(0, 32))
    return ipaddress.IPv4Network((draw(st.integers(0, 2**32 - 1)), length), strict=False)


@given(
    st.lists(
        st.builds(lambda a, b, n: Box(min(a, b), max(a, b), n), st.integers(0, 60), st.integers(0, 60), networks())
    )
)
@settings(max_examples=200, deadline=None)
def test_disjoint_boxes_cover_the_same_and_never_overlap(boxes: list[Box]) -> None:
    pieces = disjoint(boxes, limit=100_000)
    for number in range(61):
        before = [b.network for b in boxes if b.first <= number <= b.last]
        after = [p.network for p in pieces if p.first <= number <= p.last]
        assert list(ipaddress.collapse_addresses(before)) == list(ipaddress.collapse_addresses(after))
        assert sum(n.num_addresses for n in after) == sum(n.num_addresses for n in ipaddress.collapse_addresses(after))


def test_hostile_overlaps_are_not_cut_for_ever() -> None:
    nested = [Box(n, 2000 - n, ip_network(f"10.{n // 250}.{n % 250}.0/24")) for n in range(900)]
    with pytest.raises(TooMany):
        disjoint(nested, limit=20_000)


@st.composite
def rules(draw: st.DrawFn) -> SecurityRule:
    version = draw(st.sampled_from([4, 6]))
    protocol = draw(st.sampled_from([None, "tcp", "udp", "icmp", 47, "sctp"]))
    first = last = None
    if protocol in ("tcp", "udp", "sctp") and draw(st.booleans()):
        first, last = sorted(draw(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS))))
    elif protocol == "icmp":
        first = draw(st.sampled_from([None, 0, 3, 8]))
        last = None if first is None else draw(st.sampled_from([None, 0, 1]))
    remote = draw(st.sampled_from(["any", "prefix", "group"]))
    return SecurityRule(
        id=new_id(),
        direction=draw(st.sampled_from(["ingress", "egress"])),
        ethertype=f"IPv{version}",  # type: ignore[arg-type]
        protocol=protocol,
        port_range_min=first,
        port_range_max=last,
        remote_ip_prefix=draw(st.sampled_from(PREFIXES[version])) if remote == "prefix" else None,
        remote_group_id=draw(st.sampled_from([SET_A, SET_B])) if remote == "group" else None,
    )


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    version = draw(st.sampled_from([4, 6]))
    protocol = draw(st.sampled_from([6, 17, 132, 47, 58 if version == 6 else 1]))
    source, destination = draw(st.tuples(st.sampled_from(ADDRESSES[version]), st.sampled_from(ADDRESSES[version])))
    if protocol in (1, 58):
        ports = draw(st.tuples(st.sampled_from([0, 3, 8]), st.sampled_from([0, 1])))
    elif protocol == 47:
        ports = (0, 0)
    else:
        ports = (40000, draw(st.sampled_from([*PORTS, 24, 500])))
    side = Side(source, destination, *ports)
    return Connection(0, version, protocol, side, side, b"")


@given(st.lists(rules(), max_size=12), st.lists(connections(), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("limit", [groups.PIECES_LIMIT, 0])
def test_compiled_groups_allow_what_the_rules_say(
    limit: int, some: list[SecurityRule], flows: list[Connection]
) -> None:
    """The sets and chains are looked up here as the kernel does; with a limit of 0 the rules are written out."""
    group = SecurityGroup(id=new_id(), rules=tuple(some))
    before, groups.PIECES_LIMIT = groups.PIECES_LIMIT, limit
    try:
        compiled = compile_group(group)
    except TooMany:
        return  # ranges for any address are always merged, never many
    finally:
        groups.PIECES_LIMIT = before
    sets = dict(compiled.sets)
    for set_id in compiled.remote_sets:
        sets |= compile_members(SETS[set_id])
    port = PortFilter(device="tap", port_id=new_id(), bridge="brq", mode="guest", groups=(group.id,))
    judge = Judge(FilterPlan(groups={group.id: group}, address_sets=SETS))
    for flow in flows:
        for direction in ("ingress", "egress"):
            chain = chain_name(group.id, direction, flow.version)  # type: ignore[arg-type]
            assert _accepts(compiled, sets, chain, flow) == judge.allows(port, direction, flow), (some, flow)  # type: ignore[arg-type]


def _accepts(compiled: Compiled, sets: dict[str, NftSet], chain: str, flow: Connection) -> bool:
    """What nftables would do with the connection's first packet."""
    for body in compiled.chains[chain].rules if chain in compiled.chains else []:
        for expression in body:
            if "match" in expression:
                if not _matches(expression["match"], sets, flow):
                    break
            elif "accept" in expression or (
                "jump" in expression and _accepts(compiled, sets, expression["jump"]["target"], flow)
            ):
                return True
    return False


def _matches(match: dict[str, Any], sets: dict[str, NftSet], flow: Connection) -> bool:
    parts = match["left"].get("concat", [match["left"]])
    values = [_value(part, flow) for part in parts]
    if None in values:
        return False
    right = match["right"]
    if not isinstance(right, str) or not right.startswith("@"):
        return _in(values[0], right)
    for key in sets[right[1:]].elements:
        atoms = key if isinstance(key, tuple) and not isinstance(key, Range) else (key,)
        if all(_in(value, atom) for value, atom in zip(values, atoms, strict=True)):
            return True
    return False


def _value(part: dict[str, Any], flow: Connection) -> Any:
    side = flow.original
    if "meta" in part:
        return {"l4proto": flow.protocol, "nfproto": f"ipv{flow.version}"}[part["meta"]["key"]]
    protocol, name = part["payload"]["protocol"], part["payload"]["field"]
    if protocol == "th":
        return side.destination_port if flow.protocol in (6, 17, 132, 33, 136) else None
    if protocol in ("icmp", "icmpv6"):
        if flow.protocol != (1 if protocol == "icmp" else 58):
            return None
        return side.source_port if name == "type" else side.destination_port
    if protocol != ("ip" if flow.version == 4 else "ip6"):
        return None
    return side.source if name == "saddr" else side.destination


def _in(value: Any, atom: Any) -> bool:
    if isinstance(atom, dict) and "range" in atom:
        return bool(atom["range"][0] <= value <= atom["range"][1])
    if isinstance(atom, dict) and "prefix" in atom:
        return ipaddress.ip_address(value) in ipaddress.ip_network(f"{atom['prefix']['addr']}/{atom['prefix']['len']}")
    if isinstance(atom, Range):
        return bool(atom.first <= value <= atom.last)
    if (
        isinstance(atom, str)
        and isinstance(value, str)
        and "." in value + ":" in value
        and ("." in atom or ":" in atom)
    ):
        return ipaddress.ip_address(value) in ipaddress.ip_network(atom)
    if isinstance(atom, str) and "/" in atom:
        return ipaddress.ip_address(value) in ipaddress.ip_network(atom)
    return bool(value == atom)


def test_only_connections_that_no_rule_allows_any_more_are_ended() -> None:
    group = SecurityGroup(id=new_id(), rules=(*EGRESS_ALL, rule(protocol="tcp", port_range_min=22, port_range_max=22)))
    mine = PortFilter(
        device="tap1", port_id=new_id(), bridge="b", mode="guest", groups=(group.id,), sources=(("m", "10.0.0.1/32"),)
    )
    judge = Judge(FilterPlan(groups={group.id: group}))

    def tcp(source: str, destination: str, port: int) -> Connection:
        side = Side(source, destination, 40000, port)
        return Connection(1, 4, 6, side, Side(destination, source, port, 40000), b"")

    flows = {
        "allowed in": tcp("10.0.0.9", "10.0.0.1", 22),
        "not allowed in": tcp("10.0.0.9", "10.0.0.1", 80),
        "its own, out": tcp("10.0.0.1", "10.0.0.9", 80),
        "of others": tcp("10.0.0.8", "10.0.0.9", 80),
        "of an address nobody has": tcp("10.0.0.9", "10.0.0.77", 22),
    }
    ended = revoked(flows.values(), Owners.of([mine]), {"10.0.0.77": None}, judge)
    assert [name for name, flow in flows.items() if flow in ended] == ["not allowed in", "of an address nobody has"]


def test_the_number_of_nftables_rules_does_not_grow_with_the_groups() -> None:
    few = compile_group(SecurityGroup(id=new_id(), rules=tuple(_many(10))))
    many = compile_group(SecurityGroup(id=new_id(), rules=tuple(_many(1000))))
    assert [len(c.rules) for c in many.chains.values()] == [len(c.rules) for c in few.chains.values()]


def _many(count: int) -> list[SecurityRule]:
    found = []
    for n in range(count):
        found.append(rule(protocol="tcp", port_range_min=n, port_range_max=n))
        found.append(
            rule(protocol="udp", port_range_min=n, port_range_max=n + 5, remote_ip_prefix=f"10.{n % 250}.0.0/16")
        )
    return found


def test_a_group_that_cannot_be_compiled_allows_nothing_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = SecurityGroup(
        id=new_id(),
        rules=tuple(rule(protocol="tcp", port_range_min=n * 9, port_range_max=n * 9 + 3) for n in range(99)),
    )
    good = SecurityGroup(id=new_id(), rules=(rule(protocol="icmp"),))
    ports = {
        f"tap{number}": PortFilter(
            device=f"tap{number}", port_id=new_id(), bridge="brq", mode="guest", groups=(group.id,)
        )
        for number, group in enumerate((bad, good))
    }
    monkeypatch.setattr(groups, "PIECES_LIMIT", 50)
    compiler = Compiler()
    plan = FilterPlan(bridges={"brq": False}, ports=ports, groups={bad.id: bad, good.id: good})
    marks = {port.port_id: number + 1 for number, port in enumerate(ports.values())}
    table = compiler.build("t", plan, marks, {"brq": 7})
    assert list(compiler.errors) == [f"security_groups/{bad.id}"]
    assert chain_name(good.id, "ingress", 4) in table.chains
    assert chain_name(bad.id, "ingress", 4) not in table.chains
