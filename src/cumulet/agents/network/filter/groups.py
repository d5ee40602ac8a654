"""A security group as nftables chains and sets.

For each direction and IP version a group has one chain with at most a handful of rules, whatever the number of its API
rules: each looks the packet up in one set. A packet it lets through is accepted there; any other returns to the caller.

- `protocols`, `ports`, `ranges`, `types`, `codes`: rules for any remote address;
- `nets`, `portnets`, `icmpnets`: rules for a remote prefix, cut so that no two elements overlap;
- one jump for each remote group or address group: its members' set first, then the same kinds of sets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cumulet.agents.network.filter.boxes import Box, TooMany, disjoint
from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.model import Atom, Chain, Expression, NftSet, Range, Rule, SetSpec, set_of
from cumulet.agents.network.state import ICMP, ICMPV6, AddressSet, SecurityGroup, SecurityRule, ip_network, network_text

Direction = Literal["ingress", "egress"]
Version = Literal[4, 6]

# Elements of one set; a group whose rules overlap so wildly that they need more is matched rule by rule.
PIECES_LIMIT = 20_000

_EVERYWHERE = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
_ADDRESS_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
_IP = {4: "ip", 6: "ip6"}
_ICMP = {4: "icmp", 6: "icmpv6"}
_ICMP_NUMBER = {4: ICMP, 6: ICMPV6}
_REMOTE = {"ingress": "saddr", "egress": "daddr"}


@dataclass
class Compiled:
    """Chains and sets by name, and the address sets that they refer to."""

    chains: dict[str, Chain] = field(default_factory=dict)
    sets: dict[str, NftSet] = field(default_factory=dict)
    remote_sets: set[str] = field(default_factory=set)


def chain_name(group_id: str, direction: Direction, version: Version) -> str:
    return f"sg_{direction[0]}{version}_{group_id}"


def members_name(set_id: str, version: Version, kind: Literal["hosts", "nets"]) -> str:
    return f"as_{kind}{version}_{set_id}"


def compile_group(group: SecurityGroup) -> Compiled:
    compiled = Compiled()
    for direction in ("ingress", "egress"):
        for version in (4, 6):
            rules = [r for r in group.rules if r.direction == direction and r.ethertype == f"IPv{version}"]
            if rules:
                _Part(compiled, direction, version).compile(chain_name(group.id, direction, version), rules)
    return compiled


def compile_members(address_set: AddressSet) -> dict[str, NftSet]:
    """Single addresses in a hash, so that a large group costs one look-up; prefixes, seldom any, in a tree."""
    sets: dict[str, NftSet] = {}
    hosts: dict[int, list[str]] = {4: [], 6: []}
    nets: dict[int, list[Box]] = {4: [], 6: []}
    for text in address_set.addresses:
        network = ip_network(text)
        if network.prefixlen == network.max_prefixlen:
            hosts[network.version].append(network_text(network))
        else:
            nets[network.version].append(Box(0, 0, network))
    for version in (4, 6):
        kind = _ADDRESS_TYPE[version]
        prefixes = [network_text(box.network) for box in disjoint(nets[version], limit=1 << 20)]
        sets[members_name(address_set.id, version, "hosts")] = set_of(SetSpec(kind), hosts[version])
        # Of two fields, because the kernel's set for single ranges cannot be changed element by element as safely.
        sets[members_name(address_set.id, version, "nets")] = set_of(
            SetSpec(("nf_proto", kind), interval=True), [(_nf_proto(version), prefix) for prefix in prefixes]
        )
    return sets


def _nf_proto(version: int) -> str:
    return "ipv4" if version == 4 else "ipv6"


class _Part:
    """One direction and IP version of one group."""

    def __init__(self, compiled: Compiled, direction: Direction, version: Version) -> None:
        self._compiled = compiled
        self._version = version
        self._remote = e.field(_IP[version], _REMOTE[direction])
        self._address = _ADDRESS_TYPE[version]

    def compile(self, chain: str, rules: Iterable[SecurityRule]) -> None:
        anywhere: list[SecurityRule] = []
        prefixed: list[SecurityRule] = []
        by_set: dict[str, list[SecurityRule]] = defaultdict(list)
        for rule in rules:
            if rule.remote_set is not None:
                by_set[rule.remote_set].append(rule)
            elif rule.remote_ip_prefix is None or ip_network(rule.remote_ip_prefix).prefixlen == 0:
                anywhere.append(rule)
            else:
                prefixed.append(rule)
        if any(rule.protocol_number is None for rule in anywhere):
            self._compiled.chains[chain] = Chain([[e.ACCEPT]])
            return
        body = self._protocols(chain, anywhere) + self._prefixes(chain, prefixed)
        for set_id, members in sorted(by_set.items()):
            body += self._of_members(chain, set_id, members)
        self._compiled.chains[chain] = Chain(body)

    # -- any remote address -------------------------------------------------------------------------------------------

    def _protocols(self, chain: str, rules: list[SecurityRule]) -> list[Rule]:
        """Rules that look at the protocol only, its ports, or ICMP's type and code."""
        protocols: list[int] = []
        ports: list[tuple[Atom, ...]] = []
        spans: dict[int, list[Box]] = defaultdict(list)
        types: list[int] = []
        codes: list[tuple[Atom, ...]] = []
        for rule in rules:
            number = rule.protocol_number or 0
            first, last = rule.port_range_min, rule.port_range_max
            if first is None:
                protocols.append(number)
            elif number == _ICMP_NUMBER[self._version]:
                codes.append((first, last)) if last is not None else types.append(first)
            elif last is None or last == first:
                ports.append((number, first))
            else:
                spans[number].append(Box(first, last, _EVERYWHERE[self._version]))
        ranges: list[tuple[Atom, ...]] = [
            (number, Range(box.first, box.last))
            for number, boxes in sorted(spans.items())
            for box in disjoint(boxes, PIECES_LIMIT)
        ]
        l4, dport = e.meta("l4proto"), e.field("th", "dport")
        icmp = _ICMP[self._version]
        kind, code = e.field(icmp, "type"), e.field(icmp, "code")
        pair = ("inet_proto", "inet_service")
        body = self._lookup(f"{chain}_protocols", SetSpec("inet_proto"), protocols, l4)
        body += self._lookup(f"{chain}_ports", SetSpec(pair), ports, e.concat(l4, dport))
        body += self._lookup(f"{chain}_ranges", SetSpec(pair, interval=True), ranges, e.concat(l4, dport))
        body += self._lookup(f"{chain}_types", SetSpec(f"{icmp}_type"), types, kind)
        body += self._lookup(f"{chain}_codes", SetSpec((f"{icmp}_type", f"{icmp}_code")), codes, e.concat(kind, code))
        return body

    # -- a remote prefix ----------------------------------------------------------------------------------------------

    def _prefixes(self, chain: str, rules: list[SecurityRule]) -> list[Rule]:
        try:
            return self._prefix_sets(chain, rules)
        except TooMany:
            return [self._written_out(rule) for rule in rules]

    def _prefix_sets(self, chain: str, rules: list[SecurityRule]) -> list[Rule]:
        protocols: list[Box] = []
        ports: dict[int, list[Box]] = defaultdict(list)
        messages: list[Box] = []
        for rule in rules:
            network = ip_network(rule.remote_ip_prefix or "")
            number, first, last = rule.protocol_number, rule.port_range_min, rule.port_range_max
            if number is None:
                protocols.append(Box(0, 255, network))
            elif first is None:
                protocols.append(Box(number, number, network))
            elif number == _ICMP_NUMBER[self._version]:
                low, high = (0, 255) if last is None else (last, last)
                messages.append(Box(first << 8 | low, first << 8 | high, network))
            else:
                ports[number].append(Box(first, first if last is None else last, network))
        l4, icmp = e.meta("l4proto"), _ICMP[self._version]
        nets: list[tuple[Atom, ...]] = [
            (Range(b.first, b.last), network_text(b.network)) for b in disjoint(protocols, PIECES_LIMIT)
        ]
        portnets: list[tuple[Atom, ...]] = [
            (number, Range(b.first, b.last), network_text(b.network))
            for number, boxes in sorted(ports.items())
            for b in disjoint(boxes, PIECES_LIMIT)
        ]
        icmpnets: list[tuple[Atom, ...]] = [
            (kind, Range(low, high), network_text(b.network))
            for b in disjoint(messages, PIECES_LIMIT)
            for kind, low, high in _by_type(b.first, b.last)
        ]
        body = self._lookup(
            f"{chain}_nets", SetSpec(("inet_proto", self._address), interval=True), nets, e.concat(l4, self._remote)
        )
        body += self._lookup(
            f"{chain}_portnets",
            SetSpec(("inet_proto", "inet_service", self._address), interval=True),
            portnets,
            e.concat(l4, e.field("th", "dport"), self._remote),
        )
        body += self._lookup(
            f"{chain}_icmpnets",
            SetSpec((f"{icmp}_type", f"{icmp}_code", self._address), interval=True),
            icmpnets,
            e.concat(e.field(icmp, "type"), e.field(icmp, "code"), self._remote),
        )
        return body

    def _written_out(self, rule: SecurityRule) -> Rule:
        network = ip_network(rule.remote_ip_prefix or "")
        prefix = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
        body: Rule = [e.match(self._remote, prefix)]
        number, first, last = rule.protocol_number, rule.port_range_min, rule.port_range_max
        if number is not None:
            body.append(e.match(e.meta("l4proto"), number))
        if first is not None and number == _ICMP_NUMBER[self._version]:
            body.append(e.match(e.field(_ICMP[self._version], "type"), first))
            if last is not None:
                body.append(e.match(e.field(_ICMP[self._version], "code"), last))
        elif first is not None:
            end = first if last is None else last
            body.append(e.match(e.field("th", "dport"), first if end == first else e.span(first, end)))
        return [*body, e.ACCEPT]

    # -- a remote group or address group ------------------------------------------------------------------------------

    def _of_members(self, chain: str, set_id: str, rules: list[SecurityRule]) -> list[Rule]:
        self._compiled.remote_sets.add(set_id)
        inner = f"{chain}_from_{set_id}"
        if any(rule.protocol_number is None for rule in rules):
            self._compiled.chains[inner] = Chain([[e.ACCEPT]])
        else:
            self._compiled.chains[inner] = Chain(self._protocols(inner, rules))
        hosts = members_name(set_id, self._version, "hosts")
        nets = members_name(set_id, self._version, "nets")
        return [
            [e.match(self._remote, f"@{hosts}"), e.jump(inner)],
            [e.match(e.concat(e.meta("nfproto"), self._remote), f"@{nets}"), e.jump(inner)],
        ]

    def _lookup(
        self, name: str, spec: SetSpec, keys: Iterable[Atom] | Iterable[tuple[Atom, ...]], key: Expression
    ) -> list[Rule]:
        elements: Mapping[Atom | tuple[Atom, ...], None] = dict.fromkeys(keys)
        if not elements:
            return []
        self._compiled.sets[name] = NftSet(spec, elements)
        return [[e.match(key, f"@{name}"), e.ACCEPT]]


def _by_type(first: int, last: int) -> list[tuple[int, int, int]]:
    """(type, first code, last code) of a span of `type << 8 | code`, which may reach over several types."""
    return [
        (kind, first & 0xFF if kind == first >> 8 else 0, last & 0xFF if kind == last >> 8 else 0xFF)
        for kind in range(first >> 8, (last >> 8) + 1)
    ]
